# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcom_models.codecs.linear_profile import (
    DETAILS,
    TOP_LEVEL,
    DamagedProfile,
    Profile,
    band_map,
    design_of_snr,
    half_octave,
    level_variance,
    profile_shape,
    read_profile,
    variance_level,
    write_profile,
)

SIDES = st.integers(1, 64)


@st.composite
def profiles(draw: st.DrawFn) -> tuple[Profile, int, int]:
    height, width, detail = draw(SIDES), draw(SIDES), draw(st.integers(0, DETAILS - 1))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (3, *profile_shape(height, width, detail))
    levels = rng.integers(0, TOP_LEVEL + 1, shape) * (rng.random(shape) < draw(st.floats(0, 1)))
    profile = Profile(
        detail=detail,
        design=draw(st.integers(-3, 12)),
        mean=rng.integers(0, 64, 3),
        scale=draw(st.integers(-4096, 4095)),
        levels=levels,
    )
    return profile, height, width


@given(profiles())
def test_written_and_read_again(case: tuple[Profile, int, int]) -> None:
    profile, height, width = case
    read = read_profile(write_profile(profile), height, width)
    assert (read.detail, read.design, read.scale) == (
        profile.detail,
        profile.design,
        profile.scale,
    )
    assert np.array_equal(read.mean, profile.mean)
    assert np.array_equal(read.levels, profile.levels)


@given(profiles(), st.data())
def test_cut_bits_are_noticed(case: tuple[Profile, int, int], data: st.DataObject) -> None:
    profile, height, width = case
    bits = write_profile(profile)
    with pytest.raises(DamagedProfile):
        read_profile(bits[: data.draw(st.integers(0, len(bits) - 1))], height, width)


@given(st.lists(st.integers(0, 1), max_size=3000), SIDES, SIDES)
def test_any_bits_give_a_profile_or_an_error(bits: list[int], height: int, width: int) -> None:
    try:
        profile = read_profile(np.array(bits, np.uint8), height, width)
    except DamagedProfile:
        return
    assert 0 <= profile.levels.min() <= profile.levels.max() <= TOP_LEVEL


@given(SIDES, SIDES, st.integers(0, DETAILS - 1))
def test_bands_are_numbered_as_the_profile_is_laid_out(
    height: int, width: int, detail: int
) -> None:
    rows, columns = profile_shape(height, width, detail)
    bands = band_map(height, width, detail)
    assert bands.shape == (height, width)
    assert np.array_equal(np.unique(bands), np.arange(rows * columns))
    assert np.count_nonzero(bands == 0) == 1


def test_smooth_profiles_are_cheap() -> None:
    falling = np.maximum(0, 20 - np.add.outer(np.arange(12), np.arange(12)))
    levels = np.stack((falling, np.maximum(0, falling - 12), np.maximum(0, falling - 15)))
    bits = write_profile(Profile(2, 3, np.array([30, 31, 32]), 0, levels))
    assert len(bits) < 2.2 * np.count_nonzero(levels)


def test_levels_are_steps_of_3_db() -> None:
    levels = np.arange(1, TOP_LEVEL + 1)
    assert np.array_equal(variance_level(level_variance(levels)), levels)
    assert np.allclose(level_variance(levels[1:]) / level_variance(levels[:-1]), 2)
    assert np.array_equal(variance_level(level_variance(levels) * 1.4), levels)
    assert variance_level(np.array([0.0, 2.0**-22, 1e9])).tolist() == [0, 0, TOP_LEVEL]
    assert level_variance(np.array([0]))[0] == 0


def test_design_noise_follows_the_snr() -> None:
    for snr_db in range(-9, 37):
        noise_db = 10 * np.log10(half_octave(-2 * design_of_snr(snr_db)))
        assert abs(noise_db + snr_db) <= 1.6
    assert design_of_snr(-1000) == -3
    assert design_of_snr(1000) == 12
    assert design_of_snr(float("nan")) == 0
