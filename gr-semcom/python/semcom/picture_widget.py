# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture and a line of text in a Qt window."""

from __future__ import annotations

import torch
from PyQt5 import QtCore, QtGui, QtWidgets

from semcom_models.data import round_to_8_bit
from semcom_phy.exchange import FloatArray

_LEAST = QtCore.QSize(160, 120)
_MARGIN = 4
_ALIGN = QtCore.Qt.AlignmentFlag


class PictureWidget(QtWidgets.QWidget):  # type: ignore[misc]
    """Shows the latest picture, as large as fits, and its caption below.

    Attributes:
        show_picture: signal with pixels ``[3, H, W]`` in [0, 1] and a caption; any thread may
            emit it.
    """

    show_picture = QtCore.pyqtSignal(object, str)

    def __init__(self, title: str = "") -> None:
        super().__init__()
        self._title, self.caption = title, ""
        self.image = QtGui.QImage()
        self.setMinimumSize(_LEAST)
        self.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Expanding)
        self.show_picture.connect(self._show)

    def _show(self, pixels: FloatArray, caption: str) -> None:
        _, height, width = pixels.shape
        rows = round_to_8_bit(torch.from_numpy(pixels)).permute(1, 2, 0).numpy().tobytes()
        image = QtGui.QImage(rows, width, height, 3 * width, QtGui.QImage.Format_RGB888)
        self.image, self.caption = image.copy(), caption  # the bytes go, the image stays
        self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802  # Qt's name
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.SmoothPixmapTransform)
        line = painter.fontMetrics().height() + _MARGIN
        room = self.rect().adjusted(_MARGIN, line, -_MARGIN, -line)
        size = self.image.size().scaled(room.size(), QtCore.Qt.AspectRatioMode.KeepAspectRatio)
        place = QtCore.QRect(QtCore.QPoint(0, 0), size)
        place.moveCenter(room.center())
        painter.drawImage(place, self.image)
        centre = int(_ALIGN.AlignHCenter)
        painter.drawText(self.rect(), centre | int(_ALIGN.AlignTop), self._title)
        painter.drawText(self.rect(), centre | int(_ALIGN.AlignBottom), self.caption)
