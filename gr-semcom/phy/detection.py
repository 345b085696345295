# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding frames in two stages.

First, neighbouring training symbols are correlated over the whole preamble (the differential
form of Schmidl and Cox, IEEE Trans. Commun. 45(12), 1997, with the balanced signs of Minn,
Zeng and Bhargava, IEEE Commun. Lett. 4(7), 2000): cheap, blind to carrier offset, its threshold
low. What passes is then verified by a matched filter over all training symbols for every
carrier offset that the first stage leaves open, which also gives the time of arrival.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import Numerology
from semcom_phy.ofdm import ofdm_modulate
from semcom_phy.preamble import (
    cyclic_delay_phases,
    differential_signs,
    training_carriers,
    training_signs,
)

_CANDIDATE_RATE = 3e-4
"""Share of noise-only samples that pass the first stage: about one verification in 50,000."""

_VERIFIED_SHARE = 30.0
"""Matched-filter energy that a preamble needs, in means of what noise gives in one cell."""

_CLIMBS = 4

_FIRST_PATH_DB = -10.0
"""An earlier echo this far below the strongest counts as the first; band-limitation alone
gives side lobes at -13 dB."""


@dataclass(frozen=True)
class Detection:
    """A preamble that was found.

    Attributes:
        start: its first sample (first strong path) in the samples searched.
        cfo: carrier offset in cycles per sample.
        score: share of the energy that the matched filter explains, 0 to 1.
    """

    start: int
    cfo: float
    score: float


def search_samples(numerology: Numerology, block: int) -> int:
    """Samples that both stages look at, from where a search of ``block`` samples begins."""
    span, period = numerology.training_samples, numerology.samples_per_symbol
    return block + _lookahead(numerology) + span + period


def _lookahead(numerology: Numerology) -> int:
    return (_CLIMBS + 1) * numerology.training_samples


class PreambleDetector:
    """Searches samples ``[rx, n]`` for preambles.

    Args:
        numerology: of the waveform.

    Attributes:
        lookahead: samples after the place where the correlation rises that are looked at.
    """

    def __init__(self, numerology: Numerology) -> None:
        self._period = numerology.samples_per_symbol
        self._span = numerology.training_samples
        self.lookahead = _lookahead(numerology)
        self._differential = differential_signs(numerology)
        self._signs = training_signs(numerology)
        self._prefix = numerology.cyclic_prefix
        products = (self._span - self._period) * numerology.rx_antennas
        self._threshold = float(np.sqrt(-np.log(_CANDIDATE_RATE) / products))
        self._share = _VERIFIED_SHARE / (self._span * numerology.rx_antennas)
        self._hypotheses = int(
            np.ceil(numerology.max_cfo_hz / numerology.sample_rate * self._period)
        )
        self._length = scipy.fft.next_fast_len(3 * self._period)
        grid = training_carriers(numerology)[:, None] * cyclic_delay_phases(numerology)
        reference = ofdm_modulate(grid[None], numerology)
        self._energy = float(np.sum(np.abs(reference[0]) ** 2))
        self._filter = np.conj(scipy.fft.fft(reference, self._length))

    def correlate(self, samples: ComplexArray) -> tuple[ComplexArray, NDArray[np.float32]]:
        """First stage: correlation of neighbouring training symbols.

        Args:
            samples: ``[rx, n]``.

        Returns:
            correlation ``[n - training_samples + 1]`` for a preamble starting at each sample,
            its angle being the phase advance over one OFDM symbol, and its magnitude relative
            to the energy, 0 to 1.
        """
        period, span = self._period, self._span
        count = samples.shape[1] - span + 1
        product = np.sum(np.conj(samples[:, :-period]) * samples[:, period:], axis=0)
        power = np.sum(samples.real**2 + samples.imag**2, axis=0)
        products = _running_total(product, np.complex128)
        energies = _running_total(power, np.float64)
        correlation = np.zeros(count, np.complex128)
        for m, sign in enumerate(self._differential):
            first = m * period
            block = products[first + period : first + period + count]
            correlation += sign * (block - products[first : first + count])
        inner = span - period
        energy = energies[inner : inner + count] - energies[:count]
        energy += energies[span : span + count] - energies[period : period + count]
        energy *= 0.5
        # Below this, differences of running totals are rounding noise of stronger samples.
        floor = 1e-12 * energies[-1] + np.finfo(np.float64).tiny
        ratio = np.where(energy > floor, np.abs(correlation) / np.maximum(energy, floor), 0.0)
        return correlation.astype(np.complex64), ratio.astype(np.float32)

    def candidate(self, samples: ComplexArray, block: int) -> tuple[int, float] | None:
        """The first place where a preamble may start.

        Args:
            samples: ``[rx, block + lookahead]`` or more.
            block: only starts whose correlation rises within the first ``block`` samples count.

        Returns:
            Position and carrier offset (cycles per sample, modulo one over an OFDM symbol).
        """
        span = self._span
        _, ratio = self.correlate(samples[:, : block + span - 1])
        above = np.flatnonzero(ratio > self._threshold)
        if above.size == 0:
            return None
        first = int(above[0])
        correlation, ratio = self.correlate(samples[:, first : first + self.lookahead])
        # The correlation has side lobes over the length of a preamble before its peak, and noise
        # may rise just before them: climb until nothing higher follows.
        best = 0
        for _ in range(_CLIMBS):
            higher = best + int(np.argmax(ratio[best : best + span]))
            if higher == best:
                break
            best = higher
        return first + best, float(np.angle(correlation[best]) / (2 * np.pi * self._period))

    def verify(self, samples: ComplexArray, cfo: float) -> Detection | None:
        """Second stage: matched filter around a candidate.

        Args:
            samples: ``[rx, training_samples + 2 samples_per_symbol]``, the candidate in the
                middle, that is one OFDM symbol after the beginning.
            cfo: carrier offset of the candidate, known modulo one over an OFDM symbol.

        Returns:
            The preamble, or None where there is none.
        """
        period, span = self._period, self._span
        turns = np.exp(-2j * np.pi * cfo * period * np.arange(self._signs.size))
        weights = (self._signs * turns).astype(np.complex64)
        folded = np.zeros((samples.shape[0], 3 * period), np.complex64)
        for m, weight in enumerate(weights):
            folded += weight * samples[:, m * period : (m + 3) * period]
        offsets = cfo + np.arange(-self._hypotheses, self._hypotheses + 1) / period
        rotation = np.exp(-2j * np.pi * np.outer(offsets, np.arange(3 * period)))
        rotated = folded[:, None, :] * rotation.astype(np.complex64)
        spectrum = scipy.fft.fft(rotated, self._length)
        matched = scipy.fft.ifft(spectrum[:, None] * self._filter[None, :, None], self._length)
        peaks = np.sum(np.abs(matched[..., : 2 * period + 1]) ** 2, axis=(0, 1))
        energies = _running_total(np.sum(np.abs(samples) ** 2, axis=0), np.float64)
        energy = energies[span:] - energies[: 2 * period + 1]
        scores = peaks / np.maximum(self._signs.size * self._energy * energy, 1e-30)
        hypothesis, lag = np.unravel_index(int(np.argmax(scores)), scores.shape)
        score = float(scores[hypothesis, lag])
        if score < self._share:
            return None
        earliest = max(int(lag) - self._prefix, 0)
        echo = max(score * 10 ** (_FIRST_PATH_DB / 10), 0.4 * self._share)
        profile = scores[hypothesis, earliest : int(lag) + 1]
        start = earliest + int(np.flatnonzero(profile >= min(echo, score))[0])
        return Detection(start - period, float(offsets[hypothesis]), score)


def _running_total(values: NDArray, dtype: type) -> NDArray:
    """Cumulative sum with a leading zero."""
    total: NDArray = np.zeros(values.size + 1, dtype)
    np.cumsum(values, out=total[1:])
    return total
