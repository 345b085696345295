# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pmt
from gnuradio.semcom.guard import GuardedBlock
from gnuradio.semcom.pdu import Pmt, is_end_of_stream, picture_from_pdu

if TYPE_CHECKING:
    from gnuradio.semcom.picture_widget import PictureWidget


class PictureView(GuardedBlock):
    """Shows each picture that comes, in a Qt widget.

    A ``QApplication`` must be there, as in Companion's flowgraphs of type QT GUI.

    Message ports: ``pictures`` in, PDUs of :mod:`gnuradio.semcom.pdu`, of a
    :class:`gnuradio.semcom.Decoder` or of :class:`gnuradio.semcom.ArrivingPictures`, which says
    how much of each has arrived; ``PMT_EOF`` ends the block, the last picture stays.

    Args:
        title: above the picture.

    Raises:
        ImportError: no PyQt5, which comes with gr-qtgui.
    """

    def __init__(self, title: str = "") -> None:
        super().__init__("semcom_picture_view")
        from gnuradio.semcom.picture_widget import PictureWidget

        self._widget = PictureWidget(title)
        self.handle("pictures", self._on_picture)

    def qwidget(self) -> PictureWidget:
        """The widget, to be put into a layout."""
        return self._widget

    def _on_picture(self, message: Pmt) -> None:
        if is_end_of_stream(message):
            self.finish()
            return
        number, pixels = picture_from_pdu(message)
        caption, counts = f"picture {number}", pmt.to_python(pmt.car(message))
        if "fragments" in counts:
            caption += f": {counts['arrived']} of {counts['fragments']} frames"
        self._widget.show_picture.emit(pixels, caption)
