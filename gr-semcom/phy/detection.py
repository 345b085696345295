# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding frames in two stages.

First, neighbouring training symbols are correlated over the whole preamble (the differential
form of Schmidl and Cox, IEEE Trans. Commun. 45(12), 1997, with the balanced signs of Minn,
Zeng and Bhargava, IEEE Commun. Lett. 4(7), 2000): cheap, blind to carrier offset, its threshold
low. What passes is then verified by a matched filter over all training symbols for every
carrier offset that the first stage leaves open, that of the frame before first; it also gives the
time of arrival.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from math import cos, pi, sin, sqrt

import numpy as np
import scipy.fft
from numba import njit
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

_NO_OTHER = 0.5
"""A carrier offset that explains so much of the energy is the right one: there is no second."""

_FAR_BEYOND = 4.0
"""An OFDM symbol's length of samples with so many times the power of most was hit by a burst."""

_LIMIT = 2.0
"""Samples are then limited to so many times that power: a burst counts like any other noise."""

_CLIMBS = 4

_PIECE = 512
"""Samples whose correlation is computed at a time."""

_FIRST_PATH = 0.1
"""An earlier echo with this share of the strongest one's power counts as the first;
band-limitation alone gives side lobes at -13 dB."""


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


@njit(cache=True, nogil=True)
def _powers(samples: NDArray[np.complex64], length: int) -> tuple[NDArray[np.float64], bool]:
    """Median power ``[rx]`` of pieces of ``length``, and whether one has far more.

    Pieces without any are left out.
    """
    antennas, count = samples.shape[0], samples.shape[1] // length
    usual, bursts = np.zeros(antennas), False
    powers = np.empty(count)
    # Sums side by side, as wide as vector registers.
    lanes = np.empty(16, np.float32)
    whole = length - length % 16
    for antenna in range(antennas):
        heard = 0
        for piece in range(count):
            first = piece * length
            lanes[:] = 0.0
            for block in range(first, first + whole, 16):
                for lane in range(16):
                    sample = samples[antenna, block + lane]
                    lanes[lane] += sample.real * sample.real + sample.imag * sample.imag
            power = lanes.sum() / whole
            if power > 0.0:
                powers[heard] = power
                heard += 1
        if heard:
            usual[antenna] = np.median(powers[:heard])
            bursts |= powers[:heard].max() > _FAR_BEYOND * usual[antenna]
    return usual, bursts


@njit(cache=True, nogil=True)
def _limited(samples: NDArray[np.complex64], limit: NDArray[np.float64]) -> NDArray[np.complex64]:
    """Samples ``[rx, n]`` of which none has more power than ``limit``, ``[rx]``."""
    limited = np.empty(samples.shape, np.complex64)
    for antenna in range(samples.shape[0]):
        for n in range(samples.shape[1]):
            sample = samples[antenna, n]
            power = sample.real * sample.real + sample.imag * sample.imag
            if power > limit[antenna]:
                sample *= np.float32(sqrt(limit[antenna] / power))
            limited[antenna, n] = sample
    return limited


def _without_bursts(samples: ComplexArray, period: int) -> ComplexArray:
    """Samples ``[rx, n]``, limited where there are bursts of far more power than usual."""
    usual, bursts = _powers(samples, period)
    return _limited(samples, _LIMIT * usual) if bursts else samples


@njit(cache=True, nogil=True)
def _extend(
    samples: NDArray[np.complex64],
    period: int,
    begin: int,
    end: int,
    products: NDArray[np.complex128],
    energies: NDArray[np.float64],
) -> None:
    """Running totals, from sample ``begin`` to ``end``, of samples times those a period before.

    ``products[n + 1 - period]`` and ``energies[n + 1]`` are the totals up to sample ``n``.
    """
    for n in range(begin, end):
        energy = energies[n]
        for antenna in range(samples.shape[0]):
            now = samples[antenna, n]
            energy += float(now.real) * now.real + float(now.imag) * now.imag
        energies[n + 1] = energy
        if n < period:
            continue
        product = products[n - period]
        for antenna in range(samples.shape[0]):
            now, before = samples[antenna, n], samples[antenna, n - period]
            product += complex(before.conjugate() * now)
        products[n - period + 1] = product


@njit(cache=True, nogil=True)
def _correlate(
    products: NDArray[np.complex128],
    energies: NDArray[np.float64],
    period: int,
    steps: NDArray[np.float64],
    begin: int,
    correlation: NDArray[np.complex128],
    ratio: NDArray[np.float64],
) -> None:
    """Correlation of preambles that start at ``begin`` and behind, from running totals.

    ``steps`` says by how much the total at each multiple of a period counts. ``ratio`` becomes
    the squared magnitude, relative to the energy.
    """
    symbols = steps.size
    count = correlation.size
    correlation[:] = 0.0
    for m in range(symbols):
        if steps[m] != 0.0:
            first = begin + m * period
            for n in range(count):
                correlation[n] += steps[m] * products[first + n]
    span, inner = symbols * period, (symbols - 1) * period
    # Below this, differences of running totals are rounding noise of stronger samples.
    floor = 1e-12 * energies[begin + count - 1 + span] + 1e-300
    for n in range(count):
        at = begin + n
        energy = energies[at + inner] - energies[at] + energies[at + span] - energies[at + period]
        energy *= 0.5
        if energy > floor:
            product = correlation[n]
            squared = product.real * product.real + product.imag * product.imag
            ratio[n] = squared / (energy * energy)
        else:
            ratio[n] = 0.0


@njit(cache=True, nogil=True)
def _first_peak(
    samples: NDArray[np.complex64],
    period: int,
    steps: NDArray[np.float64],
    block: int,
    threshold: float,
    climbs: int,
) -> tuple[int, complex]:
    """Where the correlation rises above the threshold and then no higher: (-1, 0) for nowhere.

    No sample is looked at before it is needed.
    """
    span = steps.size * period
    products = np.empty(samples.shape[1] - period + 1, np.complex128)
    energies = np.empty(samples.shape[1] + 1)
    products[0], energies[0] = 0.0, 0.0
    correlation = np.empty(_PIECE, np.complex128)
    ratio = np.empty(_PIECE)
    squared = threshold * threshold
    peak, value, height = -1, 0j, 0.0
    known, begin, end = 0, 0, block
    while begin < end:
        count = min(_PIECE, end - begin)
        _extend(samples, period, known, begin + count - 1 + span, products, energies)
        known = begin + count - 1 + span
        _correlate(products, energies, period, steps, begin, correlation[:count], ratio[:count])
        for n in range(count):
            # Side lobes come over the length of a preamble before its peak, and noise may rise
            # just before them: climb until nothing higher follows. Relative to the energy, a
            # preamble that was hit would be lower than side lobes in the silence before it.
            if ratio[n] > squared:
                product = correlation[n]
                strength = product.real * product.real + product.imag * product.imag
                if peak < 0 or strength > height:
                    if peak < 0:
                        end = min(begin + n + climbs * span, samples.shape[1] - span + 1)
                    peak, value, height = begin + n, product, strength
                    continue
            if peak >= 0 and begin + n >= peak + span:
                return peak, value
        begin += count
    return peak, value


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
        signs = differential_signs(numerology).astype(np.float64)
        self._steps = np.append(0.0, signs) - np.append(signs, 0.0)
        self._signs = training_signs(numerology)
        self._prefix = numerology.cyclic_prefix
        products = (self._span - self._period) * numerology.rx_antennas
        self._threshold = float(np.sqrt(-np.log(_CANDIDATE_RATE) / products))
        self._share = _VERIFIED_SHARE / (self._span * numerology.rx_antennas)
        self._hypotheses = int(
            np.ceil(numerology.max_cfo_hz / numerology.sample_rate * self._period)
        )
        self._usual_cfo = 0.0  # of the last preamble
        grid = training_carriers(numerology)[:, None] * cyclic_delay_phases(numerology)
        reference = ofdm_modulate(grid[None], numerology)
        self._energy = float(np.sum(np.abs(reference[0]) ** 2))
        self._filter = np.conj(scipy.fft.fft(reference, 3 * self._period))

    def correlate(self, samples: ComplexArray) -> tuple[ComplexArray, NDArray[np.float32]]:
        """First stage: correlation of neighbouring training symbols.

        Args:
            samples: ``[rx, n]``.

        Returns:
            correlation ``[n - training_samples + 1]`` for a preamble starting at each sample,
            its angle being the phase advance over one OFDM symbol, and its magnitude relative
            to the energy, 0 to 1.
        """
        length = samples.shape[1]
        products = np.zeros(length - self._period + 1, np.complex128)
        energies = np.zeros(length + 1)
        _extend(samples, self._period, 0, length, products, energies)
        correlation = np.empty(length - self._span + 1, np.complex128)
        squared = np.empty(correlation.size)
        _correlate(products, energies, self._period, self._steps, 0, correlation, squared)
        return correlation.astype(np.complex64), np.sqrt(squared).astype(np.float32)

    def candidate(self, samples: ComplexArray, block: int) -> tuple[int, float] | None:
        """The first place where a preamble may start.

        Args:
            samples: ``[rx, block + lookahead]`` or more.
            block: only starts whose correlation rises within the first ``block`` samples count.

        Returns:
            Position and carrier offset (cycles per sample, modulo one over an OFDM symbol).
        """
        samples = _without_bursts(samples, self._period)
        position, correlation = _first_peak(
            samples, self._period, self._steps, block, self._threshold, _CLIMBS
        )
        if position < 0:
            return None
        return position, cmath.phase(correlation) / (2 * math.pi * self._period)

    def verify(self, samples: ComplexArray, cfo: float) -> Detection | None:
        """Second stage: matched filter around a candidate.

        Args:
            samples: ``[rx, training_samples + 2 samples_per_symbol]``, the candidate in the
                middle, that is one OFDM symbol after the beginning.
            cfo: carrier offset of the candidate, known modulo one over an OFDM symbol.

        Returns:
            The preamble, or None where there is none.
        """
        period = self._period
        samples = _without_bursts(samples, period)
        folded = _fold(samples, self._signs, cfo, period)
        spectrum = scipy.fft.fft(folded, overwrite_x=True)
        energy = _energies(samples, self._span, self._signs.size * self._energy)
        # A radio's offset hardly changes from frame to frame.
        usual = round((self._usual_cfo - cfo) * period)
        found = None
        if abs(usual) <= self._hypotheses:
            found = self._match(spectrum, energy, usual, usual)
        if found is None or found[2] < _NO_OTHER:
            found = self._match(spectrum, energy, -self._hypotheses, self._hypotheses)
        turn, start, score = found
        if score < self._share:
            return None
        self._usual_cfo = cfo + turn / period
        return Detection(start - period, self._usual_cfo, score)

    def _match(
        self, spectrum: ComplexArray, energy: NDArray[np.float32], least: int, most: int
    ) -> tuple[int, int, float]:
        """The best of some carrier offsets, in turns over an OFDM symbol.

        Args:
            spectrum: ``[rx, 3 periods]`` of the folded training symbols.
            energy: ``[lags]`` that a whole preamble would have here.
            least: offset to try first.
            most: and last.

        Returns:
            Offset, first strong path in samples, and the share of the energy it explains.
        """
        filtered = _filtered(spectrum, self._filter, least, most)
        matched = scipy.fft.ifft(filtered, overwrite_x=True)
        best, start, score = _first_path(matched, energy, self._prefix, 0.4 * self._share)
        return least + best, start, score


@njit(cache=True, nogil=True)
def _fold(
    samples: NDArray[np.complex64], signs: NDArray[np.float32], cfo: float, period: int
) -> NDArray[np.complex64]:
    """Training symbols on top of each other, ``[rx, 3 periods]``, carrier offset taken out."""
    folded = np.zeros((samples.shape[0], 3 * period), np.complex64)
    for antenna in range(samples.shape[0]):
        total = folded[antenna]
        for m in range(signs.size):
            angle = 2 * pi * cfo * period * m
            weight = np.complex64(signs[m] * complex(cos(angle), -sin(angle)))
            heard = samples[antenna, m * period : (m + 3) * period]
            for n in range(total.size):
                total[n] += weight * heard[n]
    for n in range(3 * period):
        angle = 2 * pi * cfo * n
        turn = np.complex64(complex(cos(angle), -sin(angle)))
        for antenna in range(samples.shape[0]):
            folded[antenna, n] *= turn
    return folded


@njit(cache=True, nogil=True)
def _energies(samples: NDArray[np.complex64], span: int, scale: float) -> NDArray[np.float32]:
    """Energy of ``span`` samples from each sample on, all antennas together, times ``scale``."""
    total = np.zeros(samples.shape[1] + 1)
    for n in range(samples.shape[1]):
        energy = 0.0
        for antenna in range(samples.shape[0]):
            sample = samples[antenna, n]
            energy += sample.real * sample.real + sample.imag * sample.imag
        total[n + 1] = total[n] + energy
    energies = np.empty(total.size - span, np.float32)
    for n in range(energies.size):
        energies[n] = scale * (total[n + span] - total[n])
    return energies


@njit(cache=True, nogil=True)
def _filtered(
    spectrum: NDArray[np.complex64], filters: NDArray[np.complex64], least: int, most: int
) -> NDArray[np.complex64]:
    """Spectra ``[rx, tx, turns, bins]`` behind the matched filters of each antenna and offset."""
    bins, turns = spectrum.shape[1], most - least + 1
    filtered = np.empty((spectrum.shape[0], filters.shape[0], turns, bins), np.complex64)
    for rx in range(spectrum.shape[0]):
        for tx in range(filters.shape[0]):
            for i in range(turns):
                # One turn over an OFDM symbol is three bins of this transform.
                shift = (3 * (least + i)) % bins
                for n in range(bins - shift):
                    filtered[rx, tx, i, n] = spectrum[rx, n + shift] * filters[tx, n]
                for n in range(bins - shift, bins):
                    filtered[rx, tx, i, n] = spectrum[rx, n + shift - bins] * filters[tx, n]
    return filtered


@njit(cache=True, nogil=True)
def _first_path(
    matched: NDArray[np.complex64], energy: NDArray[np.float32], prefix: int, floor: float
) -> tuple[int, int, float]:
    """The best of the carrier offsets, and its first strong path.

    Args:
        matched: ``[rx, tx, offsets, n]`` behind the matched filters.
        energy: ``[lags]`` that a whole preamble would have.
        prefix: samples before the strongest path in which an earlier one may lie.
        floor: share of the energy that a path has at least.

    Returns:
        Offset's number, first strong path in samples, and the share of the energy that the
        strongest one explains.
    """
    lags = energy.size
    shares, profile = np.zeros((2, lags), np.float32)
    best, lag, score = 0, 0, np.float32(-1.0)
    for offset in range(matched.shape[2]):
        shares[:] = 0.0
        for rx in range(matched.shape[0]):
            for tx in range(matched.shape[1]):
                cells = matched[rx, tx, offset]
                for n in range(lags):
                    shares[n] += cells[n].real * cells[n].real + cells[n].imag * cells[n].imag
        for n in range(lags):
            shares[n] /= max(energy[n], np.float32(1e-30))
        strongest = int(np.argmax(shares))
        if shares[strongest] > score:
            best, lag, score = offset, strongest, shares[strongest]
            profile[:] = shares
    echo = min(max(score * _FIRST_PATH, floor), score)
    start = max(lag - prefix, 0)
    while profile[start] < echo:
        start += 1
    return best, start, float(score)
