# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest

from semcom_phy.detection import Detection, PreambleDetector
from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import NARROW, WIDE, Numerology
from semcom_phy.ofdm import ofdm_modulate
from semcom_phy.preamble import cyclic_delay_phases, training_grid


def _noise(rng: np.random.Generator, antennas: int, count: int) -> ComplexArray:
    parts = rng.standard_normal((antennas, count, 2), np.float32) * np.float32(np.sqrt(0.5))
    return parts.view(np.complex64)[..., 0]


def _preamble(numerology: Numerology) -> ComplexArray:
    grid = training_grid(numerology)[:, :, None] * cyclic_delay_phases(numerology)
    return ofdm_modulate(grid, numerology)


def _detect(samples: ComplexArray, numerology: Numerology) -> Detection | None:
    """Both stages over samples with room on either side, candidate after candidate."""
    detector = PreambleDetector(numerology)
    period, span = numerology.samples_per_symbol, numerology.training_samples
    position = period
    samples = np.pad(samples, ((0, 0), (0, detector.lookahead + 2 * span)))
    while position + detector.lookahead + span < samples.shape[1]:
        rest = samples[:, position:]
        candidate = detector.candidate(rest, rest.shape[1] - detector.lookahead)
        if candidate is None:
            return None
        at = position + candidate[0]
        found = detector.verify(samples[:, at - period : at + span + period], candidate[1])
        if found is not None:
            return Detection(found.start + at, found.cfo, found.score)
        position = at + period // 2
    return None


@pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=lambda n: n.name)
@pytest.mark.parametrize("share", [-1.0, -0.37, 0.0, 0.61, 1.0])
def test_it_finds_a_preamble_at_minus_5_db_at_any_carrier_offset(
    numerology: Numerology, share: float
) -> None:
    rng = np.random.default_rng(1)
    cfo = share * numerology.max_cfo_hz / numerology.sample_rate
    preamble = _preamble(numerology)[0]
    for trial in range(8):
        start = 3 * numerology.training_samples + 37 * trial
        samples = _noise(rng, 1, start + 4 * numerology.training_samples) * np.float32(10**0.25)
        turned = preamble * np.exp(2j * np.pi * cfo * np.arange(preamble.size))
        samples[0, start : start + preamble.size] += turned.astype(np.complex64)
        found = _detect(samples, numerology)
        assert found is not None
        assert -3 <= found.start - start <= 1
        assert found.cfo == pytest.approx(cfo, abs=0.06 / numerology.samples_per_symbol)


def test_the_start_is_the_first_strong_echo() -> None:
    preamble = _preamble(NARROW)[0]
    samples = np.zeros((1, 8 * NARROW.training_samples), np.complex64)
    start = 3000
    samples[0, start : start + preamble.size] += np.complex64(0.6) * preamble
    samples[0, start + 9 : start + 9 + preamble.size] += np.complex64(1j) * preamble
    found = _detect(samples, NARROW)
    assert found is not None
    assert abs(found.start - start) <= 1


@pytest.mark.parametrize("gains", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.4, 1j)])
def test_either_transmit_antenna_is_enough(gains: tuple[complex, complex]) -> None:
    numerology = replace(NARROW, tx_antennas=2, rx_antennas=2)
    preamble = np.asarray(gains, np.complex64) @ _preamble(numerology)
    samples = _noise(np.random.default_rng(2), 2, 8 * NARROW.training_samples)
    samples[:, 3000 : 3000 + preamble.size] += preamble
    found = _detect(samples, numerology)
    assert found is not None
    assert abs(found.start - 3000) <= 1


def test_noise_is_seldom_a_candidate_and_never_a_preamble() -> None:
    rng = np.random.default_rng(3)
    detector = PreambleDetector(NARROW)
    span, period = NARROW.training_samples, NARROW.samples_per_symbol
    passed = 0
    for _ in range(20):
        samples = _noise(rng, 1, 50_000)
        _, ratio = detector.correlate(samples)
        passed += int(np.sum(ratio > detector._threshold))
        at = period + int(np.argmax(ratio[period : -2 * span]))
        assert detector.verify(samples[:, at - period : at + span + period], 0.0) is None
    assert passed / 1e6 < 1e-3


@pytest.mark.parametrize("kind", ["silence", "tone", "dc", "impulse", "payload"])
def test_what_is_not_a_preamble_is_not_found(kind: str) -> None:
    rng = np.random.default_rng(4)
    count = 30_000
    samples = np.zeros((1, count), np.complex64)
    if kind == "tone":
        samples[0] = np.exp(2j * np.pi * 0.0625 * np.arange(count))
    elif kind == "dc":
        samples[0] = 1.0
    elif kind == "impulse":
        samples[0, 9999] = 1e6
    elif kind == "payload":
        cells = _noise(rng, 1, 200 * len(NARROW.active_carriers))
        grid = cells.reshape(200, len(NARROW.active_carriers), 1)
        samples = ofdm_modulate(grid, NARROW)
    correlation, ratio = PreambleDetector(NARROW).correlate(samples)
    assert np.isfinite(correlation).all()
    assert ratio.max() <= 1 + 1e-5
    assert _detect(samples, NARROW) is None


def test_noise_that_rises_before_a_preamble_does_not_hide_it() -> None:
    # Whatever rises a little more than a preamble's length before, the peak is found.
    preamble = _preamble(NARROW)[0]
    for ahead in range(100, 2 * NARROW.training_samples, 97):
        rng = np.random.default_rng(ahead)
        samples = _noise(rng, 1, 14_000) * np.float32(0.1)
        start = 5000
        samples[0, start : start + preamble.size] += preamble
        # Twice the same noise, an OFDM symbol apart.
        twin = samples[0, start - ahead - 288 : start - ahead - 144].copy()
        samples[0, start - ahead - 144 : start - ahead] = twin
        found = _detect(samples, NARROW)
        assert found is not None
        assert abs(found.start - start) <= 1


def test_weak_frames_after_strong_ones_are_found() -> None:
    preamble = _preamble(NARROW)[0]
    samples = np.zeros((1, 40_000), np.complex64)
    samples[0, 2000:12_000] = 1e4 * _noise(np.random.default_rng(5), 1, 10_000)[0]
    samples[0, 25_000 : 25_000 + preamble.size] = preamble
    found = _detect(samples[:, 13_500:], NARROW)
    assert found is not None
    _, ratio = PreambleDetector(NARROW).correlate(samples)
    assert ratio[25_000] == pytest.approx(1, abs=1e-3)
