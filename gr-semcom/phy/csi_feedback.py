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
from semcom_phy.exchange import ChannelState, ComplexArray, Reception
from semcom_phy.numerology import Numerology

CSI_IDS = 255
"""Feedback is numbered from 1 to here, then from 1 again; the frame header has eight bits."""

_SNR_RANGE_DB = (-30.0, 60.0)
"""Beyond it a frame's estimate says no more than that there is no signal, or no noise."""


@dataclass(frozen=True, eq=False)
class Feedback:
    """One report.

    Attributes:
        csi_id: its number, 1 to 255.
        csi: ``H[active carriers, rx, tx]`` in units of the noise, as both ends compute with it.
        snr_db: scalar SNR after detection, see :func:`semcom_phy.exchange.effective_snr_db`.
        stream_time_s: when the channel was so, on the receiver's sample clock.
    """

    csi_id: int
    csi: ComplexArray
    snr_db: float
    stream_time_s: float

    def state(self, stream_time_s: float | None = None) -> ChannelState:
        """What the transmitter knows by this report at a later time, or at once."""
        age_s = 0.0 if stream_time_s is None else max(0.0, stream_time_s - self.stream_time_s)
        return ChannelState(self.snr_db, self.csi, self.csi_id, age_s)


class CsiReports(Mapping[int, ComplexArray]):
    """The receiver's reports: makes them, and remembers what each number stands for.

    As a mapping it is what a receiver looks up the channel in that a frame was precoded for. It
    holds the last 255 reports; a frame precoded for an older one cannot be told from one precoded
    for the report that has its number now.

    Args:
        numerology: of the waveform.
        bits: for each real number of the channel, see
            :class:`semcom_phy.csi_quantiser.CsiQuantiser`; None for no quantiser.
        error_var: variance of an error that is added to the channel, of unit mean power, before
            it is quantised: imperfect CSI, ``CN(0, error_var)`` on every carrier.
        seed: of that error, together with the picture's number.

    Raises:
        ValueError: a number out of range.
    """

    def __init__(
        self,
        numerology: Numerology,
        bits: int | None = None,
        error_var: float = 0.0,
        seed: int = 0,
    ) -> None:
        if not 0 <= error_var < np.inf:
            raise ValueError(f"error_var is {error_var}; it must be a finite number, 0 or more")
        self._quantiser = None if bits is None else CsiQuantiser(numerology, bits)
        self._axes = delay_axes(numerology)
        self._error_var, self._seed = error_var, seed
        self._sent: dict[int, ComplexArray] = {}
        self._reports = 0

    def report(self, reception: Reception) -> Feedback | None:
        """Report on a picture's latest frame; None where its channel or SNR is not known."""
        known = np.flatnonzero(np.isfinite(reception.frame_snr_db))
        if reception.csi is None or known.size == 0:
            return None
        power = float(np.mean(np.abs(reception.csi) ** 2, dtype=np.float64))
        if not 0 < power < np.inf:
            return None
        csi = reception.csi / np.float32(np.sqrt(power))
        if self._error_var:
            rng = np.random.default_rng([self._seed, reception.header.picture, 3])
            csi = csi + self._error(csi.shape, rng)
        snr_db = float(np.clip(reception.frame_snr_db[known[-1]], *_SNR_RANGE_DB))
        csi = (csi * np.float32(10 ** (snr_db / 20))).astype(np.complex64)
        if self._quantiser is not None:
            csi = self._quantiser.restore(self._quantiser.quantise(csi))
        number = 1 + self._reports % CSI_IDS
        self._reports += 1
        self._sent[number] = csi
        return Feedback(number, csi, reception.snr_db, reception.stream_time_s)

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
