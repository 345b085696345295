# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shown is the picture that came, with how much of it has arrived."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np
import pmt
import pytest
from gnuradio import gr
from gnuradio.semcom import PictureView, check
from gnuradio.semcom.guard import GuardedBlock
from gnuradio.semcom.pdu import Pmt, end_of_stream, picture_to_pdu

QtWidgets = pytest.importorskip("PyQt5.QtWidgets", reason="gr-qtgui is missing")


@pytest.fixture(scope="module", autouse=True)
def application() -> object:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    return QtWidgets.QApplication.instance() or QtWidgets.QApplication(["test"])


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not reached() and time.monotonic() < deadline:
        QtWidgets.QApplication.processEvents()
        time.sleep(0.005)
    assert reached()


def partial(pdu: Pmt, arrived: int, fragments: int) -> Pmt:
    meta = pmt.car(pdu)
    for key, count in (("arrived", arrived), ("fragments", fragments)):
        meta = pmt.dict_add(meta, pmt.intern(key), pmt.from_long(count))
    return pmt.cons(meta, pmt.cdr(pdu))


class Publisher(GuardedBlock):
    def __init__(self) -> None:
        super().__init__("publisher")
        self.publishes("out")


def test_pictures_are_shown_until_the_end() -> None:
    pixels = np.random.default_rng(0).random((3, 21, 30)).astype(np.float32)
    view, flow = PictureView("Received"), gr.top_block()
    widget = view.qwidget()
    publisher = Publisher()
    flow.msg_connect(publisher, "out", view, "pictures")
    widget.resize(400, 300)
    widget.show()
    flow.start()
    publisher.publish("out", picture_to_pdu(3, pixels))
    until(lambda: widget.caption == "picture 3")
    for row, column in ((0, 0), (20, 29), (7, 11)):
        shown = widget.image.pixelColor(column, row).getRgb()[:3]
        assert shown == tuple(np.round(pixels[:, row, column] * 255).astype(int))
    publisher.publish("out", partial(picture_to_pdu(4, 1 - pixels), 2, 12))
    until(lambda: widget.caption == "picture 4: 2 of 12 frames")
    publisher.publish("out", end_of_stream())
    publisher.finish()
    flow.wait()
    check([view])
    # The proportions are the picture's, in the middle of the widget.
    drawn = widget.grab().toImage()
    assert drawn.pixelColor(200, 150) != drawn.pixelColor(2, 150)
    widget.close()
