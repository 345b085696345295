# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from semcom_phy.precoding_codebook import TWO_LAYERS, choose_rotation


def test_entries_are_unitary_and_the_standard_s() -> None:
    products = TWO_LAYERS @ TWO_LAYERS.conj().transpose(0, 2, 1)
    np.testing.assert_allclose(products, np.tile(np.eye(2), (3, 1, 1)), atol=1e-12)
    # TS 38.211 Table 6.3.1.5-4: columns of TPMI 1 and 2 have entries of modulus 1/2.
    expected = np.array([[[1, 1], [1, -1]], [[1, 1], [1j, -1j]]])
    np.testing.assert_allclose(TWO_LAYERS[1:] / np.sqrt(2) * 2, expected)


def test_the_choice_carries_most() -> None:
    rng = np.random.default_rng(1)
    snrs = rng.exponential(8.0, (300, 2))
    chosen = choose_rotation(snrs, 2)
    assert chosen.shape == (300, 2, 2)

    def carried(rotation: np.ndarray) -> np.ndarray:
        errors = rotation @ (np.eye(2) / (1 + snrs)[:, None, :]) @ rotation.conj().swapaxes(-1, -2)
        diagonal = np.diagonal(errors, axis1=-2, axis2=-1).real
        return np.minimum(-np.log2(diagonal), 2).sum(-1)

    for entry in TWO_LAYERS:
        assert (carried(chosen) >= carried(entry) - 1e-9).all()
    straight = np.isclose(chosen[:, 0, 1], 0)
    assert 0.1 < straight.mean() < 0.9


def test_where_one_mode_is_enough_for_nothing_streams_mix() -> None:
    # 20 dB and 0 dB: QPSK cannot use the first; shared, both streams have 3 dB.
    mixed = choose_rotation(np.array([[100.0, 1.0]]), 2)
    np.testing.assert_allclose(np.abs(mixed[0]), np.sqrt(0.5))
    # 256QAM can: 6.66 + 1 bits beat 2 * 0.97.
    np.testing.assert_array_equal(choose_rotation(np.array([[100.0, 1.0]]), 8)[0], np.eye(2))


def test_streams_that_the_codebook_does_not_have() -> None:
    np.testing.assert_array_equal(choose_rotation(np.array([[3.0]]), 2), np.ones((1, 1, 1)))
    with pytest.raises(ValueError, match="not for 3"):
        choose_rotation(np.ones((1, 3)), 2)
