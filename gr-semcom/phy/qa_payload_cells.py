# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest

from semcom_phy.exchange import CodecLabel, PictureHeader, SectionEntry
from semcom_phy.fragments import Frame
from semcom_phy.header import FrameHeader
from semcom_phy.modulator import Modulator
from semcom_phy.numerology import NARROW
from semcom_phy.ofdm import ofdm_demodulate
from semcom_phy.payload_cells import from_cells, to_cells

WIDTH = NARROW.data_carriers_per_symbol


def payload(streams, count):
    rng = np.random.default_rng(count)
    parts = rng.standard_normal((streams, count, 2)).astype(np.float32)
    return parts.view(np.complex64)[..., 0] * np.float32(np.sqrt(0.5))


@pytest.mark.parametrize("spreading", ["none", "dft"])
@pytest.mark.parametrize(("streams", "count"), [(1, 1), (1, WIDTH), (2, 3 * WIDTH + 5)])
def test_there_and_back(spreading, streams, count):
    numerology = replace(NARROW, spreading=spreading, tx_antennas=2)
    x = payload(streams, count)
    cells = to_cells(x, numerology)
    assert cells.shape == (-(-count // WIDTH), WIDTH, streams)
    noise_var = np.full((1, WIDTH, streams), 0.25, np.float32)
    y, variance = from_cells(cells, noise_var, count, numerology)
    np.testing.assert_allclose(y, x, atol=1e-6)
    assert variance.shape == x.shape
    np.testing.assert_allclose(variance, 0.25, rtol=1e-6)


@pytest.mark.parametrize("spreading", ["none", "dft"])
def test_these_are_the_cells_that_the_modulator_sends(spreading):
    numerology = replace(NARROW, spreading=spreading)
    x = payload(1, 2 * WIDTH + 7)
    picture = PictureHeader(0, 64, 64, CodecLabel(1), (SectionEntry(False, x.shape[1]),))
    samples = Modulator(numerology).frame(Frame(FrameHeader(picture), x))
    symbols = samples[:, : -numerology.guard_samples]
    grid = ofdm_demodulate(symbols, numerology)[-3:, numerology.data_rows]
    np.testing.assert_allclose(to_cells(x, numerology), grid, atol=1e-5)


def test_more_than_a_frame_carries_is_refused():
    with pytest.raises(ValueError, match="a frame carries"):
        to_cells(payload(1, NARROW.fragment_capacity + 1), NARROW)
