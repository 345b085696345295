# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np

from semcom_phy.echo_grid import Echoes, echo_grid
from semcom_phy.many_echoes import many_echoes
from semcom_phy.numerology import NARROW
from semcom_phy.qa_few_echoes import LOOKS, echo_waves, gram, noise

NOISE = 1e-2
DELAYS = np.arange(4, 17)
"""Thirteen, in samples behind the window's begin."""


def _estimate(seed: int) -> tuple[np.ndarray, Echoes]:
    rng = np.random.default_rng(seed)
    index = np.flatnonzero(np.isin(echo_grid(NARROW).delays, 2 * DELAYS))
    channel = echo_waves(NARROW)[:, index] @ noise(rng, index.size) / np.sqrt(index.size)
    average = channel + np.sqrt(NOISE / LOOKS) * noise(rng, channel.size)
    match = LOOKS * echo_waves(NARROW).conj().T @ average
    return channel, many_echoes(match, gram(NARROW), echo_grid(NARROW), NOISE, 1.0)


def test_delays_without_echoes_cost_little() -> None:
    """Cramer-Rao: thirteen unknown gains; the whole grid has 25."""
    errors, announced = [], []
    for seed in range(100):
        channel, echoes = _estimate(seed)
        waves = echo_waves(NARROW)[:, echoes.rows]
        errors.append(np.mean(np.abs(waves @ echoes.gains - channel) ** 2))
        covariance = NOISE * waves @ echoes.covariance @ waves.conj().T
        announced.append(np.trace(covariance).real / channel.size)
    bound = NOISE / LOOKS * DELAYS.size / 100
    assert 10 * np.log10(np.mean(errors) / bound) < 1.0
    assert 0.9 < np.mean(errors) / np.mean(announced) < 1.3


def test_strong_echoes_are_all_kept_and_most_others_left_out() -> None:
    counts = []
    for seed in range(20):
        _, echoes = _estimate(seed)
        delays = echo_grid(NARROW).delays[echoes.rows] / 2
        assert (delays == np.round(delays)).all()
        counts.append(np.sum(~np.isin(delays, DELAYS)))
    assert np.mean(counts) < 3


def test_nothing_at_all_is_no_error() -> None:
    size = echo_grid(NARROW).delays.size
    nothing = np.zeros(size, np.complex128)
    echoes = many_echoes(nothing, gram(NARROW), echo_grid(NARROW), 1e-20, 1.0)
    np.testing.assert_array_equal(echoes.gains, 0)
