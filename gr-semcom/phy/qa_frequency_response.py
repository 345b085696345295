# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest

from semcom_phy.channel import ChannelConfig, SampleChannel, realise
from semcom_phy.channel_trace import ChannelTrace
from semcom_phy.frequency_response import frequency_response
from semcom_phy.numerology import NARROW, WIDE
from semcom_phy.ofdm import ofdm_demodulate, ofdm_modulate
from semcom_phy.tap_process import ConstantTaps
from semcom_phy.tdl import flat_channel, tdl_channel

SYMBOLS, BEFORE = 60, 1000
PARTS = np.random.default_rng(0).standard_normal((5, 2, 1, 1, 2)).astype(np.float32)
TRACE = ChannelTrace(np.array([0.0, 0.7e-6]), 3e-3, PARTS.view(np.complex64)[..., 0])


@pytest.mark.parametrize(
    ("multipath", "numerology", "leaking_db"),
    [
        (flat_channel(100.0), NARROW, -34),
        (tdl_channel("tdl-c", 3e-7, 100.0), NARROW, -34),
        (tdl_channel("tdl-a", 1e-7, 500.0), WIDE, -40),
        (tdl_channel("tdl-d", 1e-7), replace(WIDE, tx_antennas=2, rx_antennas=2), -45),
        (tdl_channel("tdl-e", 3e-7, 20.0), replace(NARROW, tx_antennas=2), -45),
        (TRACE, NARROW, -33),
    ],
)
def test_cells_meet_what_samples_meet(multipath, numerology, leaking_db):
    """OFDM symbols through the sample channel of the same seed, not from its first sample on."""
    rng = np.random.default_rng(1)
    shape = (SYMBOLS, len(numerology.active_carriers), numerology.tx_antennas)
    grid = np.exp(0.5j * np.pi * rng.integers(0, 4, shape)).astype(np.complex64)
    sent = np.pad(ofdm_modulate(grid, numerology), ((0, 0), (BEFORE, 0)))
    config = ChannelConfig(multipath=multipath)
    channel = SampleChannel(config, numerology, [3, 5])
    heard = np.concatenate([channel.process(sent), channel.flush()], axis=1)
    heard = heard[:, BEFORE : BEFORE + SYMBOLS * numerology.samples_per_symbol]
    received = ofdm_demodulate(heard, numerology)

    process = realise(config, numerology, [3, 5])
    response = frequency_response(process, BEFORE, SYMBOLS, numerology)
    assert response.dtype == np.complex64
    expected = np.matmul(response, grid[..., None])[..., 0]
    error_db = 10 * np.log10(np.mean(np.abs(received - expected) ** 2))
    power_db = 10 * np.log10(np.mean(np.abs(expected) ** 2))
    assert error_db - power_db < leaking_db


def test_half_a_symbol_would_be_noticed():
    """The test above is worth something: an origin that is off by half a symbol fails it."""
    process = realise(ChannelConfig(multipath=flat_channel(100.0)), NARROW, 0)
    response = frequency_response(process, BEFORE, SYMBOLS, NARROW)
    late = frequency_response(process, BEFORE + NARROW.samples_per_symbol // 2, SYMBOLS, NARROW)
    assert 10 * np.log10(np.mean(np.abs(response - late) ** 2)) > -33


def test_a_channel_that_never_changes_is_given_once():
    gains = np.array([1.0, 0.5j]).reshape(2, 1, 1).astype(np.complex64)
    delay_s = 3 / NARROW.sample_rate
    response = frequency_response(ConstantTaps(np.array([0.0, delay_s]), gains), 0, 9, NARROW)
    turns = np.exp(-2j * np.pi * np.array(NARROW.active_carriers) * 3 / NARROW.fft_size)
    np.testing.assert_allclose(response[..., 0, 0], (1 + 0.5j * turns)[None], atol=1e-6)
