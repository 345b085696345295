# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.power_allocation import POWER_RULES, PowerRule, least_error_powers, water_filling


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=6),
    st.floats(1e-3, 1e3),
)
def test_water_filling_meets_its_optimality_conditions(gains: list[float], budget: float) -> None:
    powers = water_filling(np.array(gains), budget)
    assert powers.sum() == pytest.approx(budget, rel=1e-6)
    assert (powers >= 0).all()
    used = powers > 1e-9 * budget
    if max(gains) > 0:
        # Marginal rates g / (1 + g p) are equal in use, and no unused channel beats them.
        rate = np.array(gains) / (1 + np.array(gains) * powers)
        if (np.array(gains)[used] > 1e-6 * max(gains)).all():
            np.testing.assert_allclose(rate[used], rate[used][0], rtol=1e-5)
        assert (rate[~used] <= rate[used].max() * (1 + 1e-5)).all()


def test_water_filling_of_textbook_numbers() -> None:
    # Levels 1/g of 1, 2 and 10 under 5 units of water: mu = 4 on the first two.
    np.testing.assert_allclose(water_filling(np.array([1, 0.5, 0.1]), 5), [3, 2, 0])
    np.testing.assert_allclose(water_filling(np.zeros((2, 2)), 2), np.ones((2, 2)))
    with pytest.raises(ValueError, match="budget"):
        water_filling(np.ones(2), -1)
    with pytest.raises(ValueError, match="gains"):
        water_filling(np.array([1, np.nan]), 1)


def test_no_powers_have_less_error() -> None:
    gains = np.sort(np.random.default_rng(3).exponential(5, (200, 2)))[:, ::-1]
    powers = least_error_powers(gains, 2.0)
    np.testing.assert_allclose(powers.sum(1), 2.0)
    assert (powers >= 0).all()
    assert (powers[:, 1] == 0).any()
    error = (1 / (1 + gains * powers)).sum(1)
    for share in np.linspace(0, 2, 41):
        others = np.array([share, 2 - share])
        assert (error <= (1 / (1 + gains * others)).sum(1) + 1e-9).all()


@pytest.mark.parametrize("rule", POWER_RULES)
def test_channels_without_gain_leave_the_budget_whole(rule: PowerRule) -> None:
    powers = POWER_RULES[rule](np.array([[0.0, 0.0], [4.0, 0.0], [1e9, 1e9]]), 2.0)
    np.testing.assert_allclose(powers.sum(1), 2.0)
    assert (powers >= 0).all()
