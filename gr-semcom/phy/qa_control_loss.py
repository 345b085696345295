# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from semcom_phy.control_loss import (
    at_most,
    count_lost_frames,
    count_lost_in_fading,
    count_lost_sections,
    main,
)
from semcom_phy.numerology import NARROW, WIDE


@pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=lambda n: n.name)
def test_frames_outlive_an_analogue_payload(numerology):
    assert count_lost_frames(numerology, -5.0, 60, seed=1) == 0


def test_frames_that_drown_are_counted():
    assert count_lost_frames(NARROW, -14.0, 20, seed=1) > 15


def test_sections_that_drown_are_counted():
    assert count_lost_sections(300, -3.0, 30, seed=1) == 0
    assert count_lost_sections(300, -8.0, 30, seed=1) > 20


def test_frames_that_fade_apart_help_each_other():
    one, twenty = (count_lost_in_fading(frames, 300, 0.0, 60, seed=2) for frames in (1, 20))
    assert one > 4
    assert twenty == 0


def test_side_information_survives_a_quarter_of_the_frames_lost():
    assert count_lost_in_fading(20, 500, 3.0, 60, seed=3, erased=5) == 0


def test_what_a_count_does_not_contradict():
    # The rule of three: of n without a loss, 3 / n.
    assert at_most(0, 10_000) == pytest.approx(3e-4, rel=0.01)
    assert at_most(7, 7) == 1
    assert 0.05 < at_most(50, 1000) < 0.07


def test_it_prints_a_line_a_count(capsys):
    main(["fading", "--count", "2", "--snr", "5"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[3] == (
        "500 bits over 20 frames, at a mean of 5 dB: 0 of 2 lost, probability at most 0.78"
    )
    assert "20 frames, 5 of them erased" in lines[4]
