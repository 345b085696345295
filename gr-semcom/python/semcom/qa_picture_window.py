# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures on their way: bounded where they are late, not held up where they are lost."""

import pytest
from gnuradio.semcom.picture_window import PictureWindow


def publish(window: PictureWindow) -> int:
    """Publish while the window is open; how many pictures."""
    count = 0
    while window.is_open():
        window.publish()
        count += 1
    return count


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("named", [True, False])
def test_each_picture_done_makes_room_for_another(size: int, named: bool) -> None:
    window = PictureWindow(size)
    assert publish(window) == size
    for picture in range(5):
        assert window.ask(picture if named else None)
        assert publish(window) == 1


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("patiences", [1, 2, 5])
def test_pictures_slower_than_the_patience_do_not_pile_up(patiences: int, named: bool) -> None:
    window = PictureWindow(1)
    published = publish(window)
    for picture in range(50):
        for _ in range(patiences):
            window.give_up()
            published += publish(window)
        window.ask(picture if named else None)
        published += publish(window)
        assert published - picture <= 2 + patiences


def test_a_lost_picture_delays_only_the_one_behind_it() -> None:
    window = PictureWindow(1)
    publish(window)
    window.give_up()
    assert publish(window) == 1
    for picture in range(1, 5):
        window.ask(picture)
        assert publish(window) == 1


def test_a_picture_is_done_once() -> None:
    window = PictureWindow(2)
    publish(window)
    assert [window.ask(picture) for picture in (1, 1, 0)] == [True, False, False]
    assert publish(window) == 2


def test_numbers_begin_again_on_the_air() -> None:
    window = PictureWindow(1)
    for picture in range(70_000):
        window.publish()
        assert window.ask(picture % 65_536)
    assert not window.ask(69_999 % 65_536)
    assert publish(window) == 1
