# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from semcom_phy.numerology import NARROW, WIDE, Numerology, evenly_spaced_pilots, preset
from semcom_phy.preamble import (
    cyclic_delay_phases,
    differential_signs,
    pilot_grid,
    scrambling_signs,
    training_carriers,
    training_grid,
)


@pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=lambda n: n.name)
def test_carriers_of_the_presets_partition_the_band(numerology: Numerology) -> None:
    data, pilots = set(numerology.data_carriers), set(numerology.pilot_carriers)
    assert not data & pilots
    assert data | pilots == set(numerology.active_carriers)
    assert 0 not in numerology.active_carriers
    assert len(data) == numerology.data_carriers_per_symbol == numerology.data_rows.size
    assert {-k for k in pilots} == pilots
    gaps = np.diff(numerology.pilot_carriers)
    assert gaps.max() <= gaps.min() + 3
    edge = numerology.half_width * numerology.subcarrier_spacing_hz
    spare = numerology.sample_rate / 2 - edge - numerology.max_cfo_hz
    assert spare > -numerology.subcarrier_spacing_hz / 4


@pytest.mark.parametrize("count", [-2, 0, 1, 7, 22])
def test_pilots_that_cannot_be_spread_evenly(count: int) -> None:
    with pytest.raises(ValueError, match="even number from 2 to 20"):
        evenly_spaced_pilots(10, count)


def test_pilots_may_take_every_carrier() -> None:
    assert evenly_spaced_pilots(3, 6) == (-3, -2, -1, 1, 2, 3)
    assert evenly_spaced_pilots(10, 2) == (-6, 6)


def test_a_full_frame_carries_what_the_presets_promise() -> None:
    assert NARROW.fragment_capacity == 11776
    assert WIDE.fragment_capacity == 23552
    symbols = NARROW.training_symbols + NARROW.header_ofdm_symbols + NARROW.fragment_symbols
    expected = symbols * NARROW.samples_per_symbol + NARROW.guard_samples
    assert NARROW.frame_samples(NARROW.fragment_capacity) == expected
    assert NARROW.frame_samples(1) == NARROW.frame_samples(NARROW.data_carriers_per_symbol)
    assert NARROW.frame_samples(93) == NARROW.frame_samples(1) + NARROW.samples_per_symbol


def test_presets_by_name() -> None:
    assert preset("narrow") is NARROW
    with pytest.raises(ValueError, match="narrow, wide"):
        preset("medium")


@pytest.mark.parametrize("count", [0, -1, 11777])
def test_payload_sizes_that_no_frame_carries(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 11776"):
        NARROW.frame_samples(count)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fft_size", 8),
        ("half_width", 64),
        ("tx_antennas", 3),
        ("rx_antennas", 0),
        ("cyclic_prefix", 2),
        ("cyclic_prefix", 65),
        ("pilot_carriers", (5, -5)),
        ("pilot_carriers", (-5, 0, 5)),
        ("pilot_carriers", (-60, 5)),
        ("pilot_carriers", (3, 5)),
        ("sample_rate", 0.0),
        ("sample_rate", float("nan")),
        ("fragment_symbols", 0),
        ("training_symbols", 4),
        ("max_cfo_hz", 3e5),
        ("guard_samples", -1),
    ],
)
def test_impossible_numerologies_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match="narrow"):
        replace(NARROW, **{field: value})


@pytest.mark.parametrize("training_symbols", [3, 5, 7, 9, 11])
def test_the_detector_sees_neither_tones_nor_its_own_side_lobes(training_symbols: int) -> None:
    signs = differential_signs(replace(NARROW, training_symbols=training_symbols))
    assert signs.sum() == 0
    lobes = np.correlate(signs, signs, "full")
    assert lobes.max() == signs.size
    assert np.sort(np.abs(lobes))[-2] <= max(signs.size / 2, 1)


@pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=lambda n: n.name)
def test_known_symbols_have_unit_power_and_are_frozen(numerology: Numerology) -> None:
    grids = (training_grid(numerology), pilot_grid(numerology), scrambling_signs(numerology))
    for grid in grids:
        np.testing.assert_allclose(np.abs(grid), 1, rtol=1e-6)
        with pytest.raises(ValueError, match="read-only"):
            grid[0, 0] = 0


def test_the_training_sequence_is_the_one_on_the_air() -> None:
    # Changing it makes radios of different versions deaf to each other.
    quarters = np.round(np.angle(training_carriers(NARROW)[:12]) / (np.pi / 2) - 0.5).astype(int)
    assert (quarters % 4).tolist() == [3, 1, 1, 3, 2, 2, 3, 1, 1, 1, 3, 1]


def test_two_antennas_are_apart_by_half_a_symbol() -> None:
    numerology = replace(NARROW, tx_antennas=2)
    carriers = np.asarray(numerology.active_carriers)
    delay = numerology.fft_size // 2
    expected = np.exp(-2j * np.pi * carriers * delay / numerology.fft_size)
    np.testing.assert_allclose(cyclic_delay_phases(numerology)[:, 1], expected, atol=1e-5)
