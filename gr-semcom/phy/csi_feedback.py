# SPDX-License-Identifier: GPL-3.0-or-later
"""What the receiver tells the transmitter of the channel: numbered, quantised, remembered.

The channel is fed back in units of the noise, ``|csi|^2`` being the SNR of a path, so that powers
and rotations follow from it alone. Both ends compute with the array that comes out of the
quantiser: detection inverts the precoder that was really used, however coarse or old it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from semcom_phy.csi_quantiser import CsiQuantiser, delay_axes
from semcom_phy.exchange import ComplexArray, Reception
from semcom_phy.fragments import ReceivedFrame
from semcom_phy.numerology import Numerology

CSI_IDS = 255
"""Feedback is numbered from 1 to here, then from 1 again; the frame header has eight bits."""

SNR_RANGE_DB = (-30.0, 60.0)
"""Beyond it an estimate says no more than that there is no signal, or no noise."""


@dataclass(frozen=True, eq=False)
class Feedback:
    """One report: of a frame its channel, of a picture its SNR.

    Attributes:
        snr_db: scalar SNR after detection, see :func:`semcom_phy.exchange.effective_snr_db`; None
            where it is not told.
        csi: ``H[active carriers, rx, tx]`` in units of the noise, as both ends compute with it;
            None where it is not told.
        csi_id: number of that channel, 1 to 255; 0 for none.
        stream_time_s: when the channel was so, on the receiver's sample clock; None where nobody
            knows.
        session: of the receiver, whose clock begins anew with each; 0 where there is but one.
    """

    snr_db: float | None = None
    csi: ComplexArray | None = None
    csi_id: int = 0
    stream_time_s: float | None = None
    session: int = 0


def snr_feedback(reception: Reception) -> Feedback | None:
    """What is told of a picture; None where no symbol of it was of use."""
    if not np.isfinite(reception.snr_db):
        return None
    snr_db = float(np.clip(reception.snr_db, *SNR_RANGE_DB))
    return Feedback(snr_db=snr_db, stream_time_s=reception.stream_time_s)


class CsiReports(Mapping[int, ComplexArray]):
    """The receiver's reports: makes them, and remembers what each number stands for.

    As a mapping it is what a receiver looks up the channel in that a frame was precoded for. It
    holds the last 255 reports, and the one that the latest frame was precoded for however old it
    is: a transmitter that hears nothing more goes on with it.

    Args:
        numerology: of the waveform.
        bits: for each real number of the channel, see
            :class:`semcom_phy.csi_quantiser.CsiQuantiser`; None for no quantiser.
        error_var: variance of an error that is added to the channel, of unit mean power, before
            it is quantised: imperfect CSI, ``CN(0, error_var)`` on every carrier.
        seed: of that error, together with the picture's number.
        per_picture: of a picture its last frame alone is reported. Numbers of every frame's
            reports would come round before one that is held back for pictures is used.

    Raises:
        ValueError: a number out of range.
    """

    def __init__(
        self,
        numerology: Numerology,
        bits: int | None = None,
        error_var: float = 0.0,
        seed: int = 0,
        per_picture: bool = False,
    ) -> None:
        if not 0 <= error_var < np.inf:
            raise ValueError(f"error_var is {error_var}; it must be a finite number, 0 or more")
        self._quantiser = None if bits is None else CsiQuantiser(numerology, bits)
        self._axes = delay_axes(numerology)
        self._error_var, self._seed = error_var, seed
        self._per_picture = per_picture
        self._sent: dict[int, ComplexArray] = {}
        self._last = 0

    def report(self, frame: ReceivedFrame) -> Feedback | None:
        """Report on a frame; None where its channel or SNR is not known, or it is not to be."""
        if frame.csi is None or not np.isfinite(frame.snr_db):
            return None
        if self._per_picture and frame.header.fragment < frame.header.fragments - 1:
            return None
        power = float(np.mean(np.abs(frame.csi) ** 2, dtype=np.float64))
        if not 0 < power < np.inf:
            return None
        csi = frame.csi / np.float32(np.sqrt(power))
        if self._error_var:
            header = frame.header
            rng = np.random.default_rng([self._seed, header.picture.picture, header.fragment, 3])
            csi = csi + self._error(csi.shape, rng)
        snr_db = float(np.clip(frame.snr_db, *SNR_RANGE_DB))
        csi = (csi * np.float32(10 ** (snr_db / 20))).astype(np.complex64)
        if self._quantiser is not None:
            csi = self._quantiser.restore(self._quantiser.quantise(csi))
        number = self._next_number(frame.header.csi_id)
        self._sent[number] = csi
        return Feedback(csi=csi, csi_id=number, stream_time_s=frame.stream_time_s)

    def _next_number(self, in_use: int) -> int:
        """A number for a report, but not that by which the transmitter still goes."""
        number = 1 + self._last % CSI_IDS
        self._last = number if number != in_use else 1 + number % CSI_IDS
        return self._last

    def _error(self, shape: tuple[int, ...], rng: np.random.Generator) -> ComplexArray:
        """Errors of the taps, evenly spread, so that smoothing does not take them away."""
        taps = self._axes.shape[1]
        parts = rng.standard_normal((taps, *shape[1:], 2)) @ np.array([1, 1j])
        scale = np.sqrt(self._error_var / (2 * taps))
        return np.asarray(np.einsum("kd,drt->krt", self._axes, scale * parts), np.complex64)

    def __getitem__(self, csi_id: int) -> ComplexArray:
        return self._sent[csi_id]

    def __iter__(self) -> Iterator[int]:
        return iter(tuple(self._sent))

    def __len__(self) -> int:
        return len(self._sent)
