# SPDX-License-Identifier: GPL-3.0-or-later
"""What the receiver measured of a picture frame by frame, as a run records it."""

from __future__ import annotations

import numpy as np

from ota_runner.record import FrameRecords
from semcom_phy.exchange import ComplexArray, FloatArray, Reception

_WEAKEST = 1e-12
"""A gain that stands for none: its logarithm is written down."""


def frame_records(reception: Reception) -> FrameRecords | None:
    """Estimates of a picture's frames, rounded to what they are good for.

    Args:
        reception: of a picture.

    Returns:
        None where there was no waveform: a symbol-level link estimates nothing.
    """
    if reception.csi is None or not np.isfinite(reception.frame_cfo_hz).any():
        return None
    return FrameRecords(
        snr_db=_known(reception.frame_snr_db, 3),
        cfo_hz=_known(reception.frame_cfo_hz, 2),
        gain_db=_gain_db(reception.csi),
    )


def _known(values: FloatArray, digits: int) -> tuple[float | None, ...]:
    finite = np.isfinite(values)
    return tuple(
        round(float(value), digits) if there else None
        for value, there in zip(values, finite, strict=True)
    )


def _gain_db(csi: ComplexArray) -> tuple[tuple[tuple[float, ...], ...], ...]:
    """``[subcarriers, rx, tx]`` as ``[rx][tx][subcarriers]`` in dB."""
    power = np.abs(csi.transpose(1, 2, 0)).astype(np.float64) ** 2
    gain = np.round(10 * np.log10(np.maximum(power, _WEAKEST)), 2)
    return tuple(tuple(tuple(row) for row in antenna) for antenna in gain.tolist())
