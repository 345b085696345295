# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from semcom_models.codecs.base import Request
from semcom_models.codecs.linear import (
    PEAK_POWER,
    LinearCodec,
    Tiling,
    allocate,
    make_plan,
    water_fill,
)
from semcom_models.codecs.linear_profile import half_octave, level_variance, read_profile
from semcom_models.codecs.registry import load
from semcom_models.data import sample_pictures
from semcom_models.evaluation import evaluate
from semcom_models.metrics import mse, psnr_db
from semcom_phy.exchange import (
    AnalogSection,
    ChannelState,
    CodecLabel,
    DigitalSection,
    ReceivedAnalog,
    ReceivedDigital,
    Reception,
    Transmission,
)
from semcom_phy.fragments import channel_uses
from semcom_phy.ideal import IdealLink

LABEL = CodecLabel(1)
CODEC = LinearCodec(LABEL, 1 / 6)


@pytest.fixture(scope="module")
def photograph() -> Tensor:
    return dict(sample_pictures())["chelsea"]


def texture(height: int, width: int, seed: int = 0) -> Tensor:
    """A picture whose spectrum falls as a photograph's does, with grain."""
    rng = np.random.default_rng(seed)
    fall = 1 / (1 + np.hypot.outer(np.arange(height), np.arange(width))) + 0.02
    spectrum = rng.normal(size=(3, height, width)) * fall
    field = np.fft.ifft2(spectrum).real
    field = 0.5 + 0.15 * field / max(field.std(), 1e-9)
    return torch.from_numpy(field.clip(0, 1)).float()


def encode(picture: Tensor, snr_db: float | None = 10.0, cbr: float | None = None) -> Transmission:
    return CODEC.encode([picture], ChannelState(snr_db), Request(cbr=cbr))[0]


def through(sent: Transmission, snr_db: float, lost: float = 0.0) -> Reception:
    return IdealLink(snr_db, seed=4, erase_probability=lost).transfer(sent, 0)


def analogue(sent: Transmission) -> AnalogSection:
    section = sent.sections[1]
    assert isinstance(section, AnalogSection)
    return section


def test_water_filling_is_optimal() -> None:
    levels, counts = np.array([25, 22, 15, 12, 4]), np.array([3, 10, 50, 200, 400])
    variances, slots, design = level_variance(levels), 663, 4
    noise = half_octave(-2 * design)
    powers = water_fill(levels, counts, slots, design)
    assert (counts * powers).sum() == pytest.approx(slots)
    assert powers[-1] == 0 < powers[-2]

    def error(p: np.ndarray) -> float:
        return float((counts * variances * noise / (p + noise)).sum())

    rng = np.random.default_rng(0)
    for _ in range(500):
        other = np.maximum(0, powers + 0.1 * rng.normal(size=5))
        assert error(other * slots / (counts * other).sum()) >= error(powers) * (1 - 1e-12)


@given(
    st.lists(st.tuples(st.integers(0, 33), st.integers(1, 3000)), max_size=40),
    st.integers(2, 20000),
    st.integers(-3, 12),
)
def test_allocation_fits_and_spends_everything(
    groups: list[tuple[int, int]], slots: int, design: int
) -> None:
    levels, sizes = np.array(groups, np.int64).reshape(-1, 2).T
    shares = allocate(levels, sizes, slots, design)
    if not levels.any():
        assert len(shares.levels) == 0
        return
    assert (shares.counts * shares.copies).sum() <= slots
    assert (shares.counts * shares.powers).sum() == pytest.approx(slots)
    assert (shares.powers / shares.copies).max() <= PEAK_POWER
    assert (np.diff(shares.levels) < 0).all()
    assert (shares.powers > 0).all()
    for level, count in zip(shares.levels[:-1], shares.counts[:-1], strict=True):
        assert count == sizes[levels == level].sum()


@given(st.integers(1, 150), st.integers(1, 150))
@settings(max_examples=30, deadline=None)
def test_the_transform_is_orthonormal(height: int, width: int) -> None:
    tiling = Tiling.of(height, width)
    image = np.random.default_rng(1).random((3, height, width), np.float32)
    coefficients = tiling.analyse(image)
    assert np.allclose(tiling.synthesise(coefficients), image, atol=1e-5)
    padded = (coefficients.size - image.size) / image.size
    assert padded <= (1 + 1 / 64) ** 2 - 1
    if coefficients.size == image.size:
        assert np.square(coefficients).sum() == pytest.approx(np.square(image).sum(), rel=1e-4)


@given(st.integers(24, 140), st.integers(24, 140), st.floats(1 / 48, 1.0), st.floats(-5, 25))
@settings(max_examples=12, deadline=None)
def test_uses_what_was_asked_for_at_unit_power(
    height: int, width: int, cbr: float, snr_db: float
) -> None:
    picture = texture(height, width)
    sent = encode(picture, snr_db, cbr)
    budget = round(cbr * picture.numel())
    if len(sent.sections) == 2:
        assert channel_uses(sent) == budget
        power = np.mean(np.abs(analogue(sent).symbols) ** 2)
        assert power == pytest.approx(1, abs=1e-3)
    else:
        assert budget < 200  # not even the least side information leaves room
    (received,) = CODEC.decode([through(sent, snr_db)])
    assert received.shape == picture.shape


def test_errs_as_theory_says(photograph: Tensor) -> None:
    """LMMSE error at Es/N0 = 10 dB from the profile alone; a slip of 3 dB would be seen."""
    snr_db = 40 * np.log10(2)  # the design noise exactly
    picture = 0.25 + 0.5 * photograph[:, :256, :448]  # leaves room, so that nothing is clipped
    sent = encode(picture, snr_db)
    side = sent.sections[0]
    assert isinstance(side, DigitalSection)
    tiling = Tiling.of(256, 448)
    profile = read_profile(side.bits, tiling.tile_height, tiling.tile_width)
    plan = make_plan(profile, tiling, 2 * analogue(sent).channel_uses)
    mean = profile.mean[:, None, None] / 63
    coefficients = tiling.analyse(picture.numpy() - mean.astype(np.float32)).reshape(-1)
    strength = np.bincount(plan.slots, plan.gains**2)
    noise = 10 ** (-snr_db / 10)
    shrink = plan.variances * strength / (plan.variances * strength + noise)
    true = coefficients[plan.coefficients] ** 2
    inside = true * (1 - shrink) ** 2 + shrink**2 * noise / strength
    outside = np.square(coefficients).sum() - true.sum()
    (received,) = CODEC.decode([through(sent, snr_db)])
    error = float((received - picture).double().square().sum())
    assert error == pytest.approx(inside.sum() + outside, rel=0.02)


def test_better_with_snr_and_rate(photograph: Tensor) -> None:
    by_snr = [evaluate(CODEC, [photograph], snr).psnr_db for snr in (-3.0, 10.0, 20.0)]
    assert by_snr == sorted(by_snr)
    assert by_snr[1] > 33.5
    by_rate = [
        evaluate(CODEC, [photograph], 10.0, request=Request(cbr=cbr)).psnr_db
        for cbr in (1 / 48, 1 / 12, 1 / 6, 1 / 2)
    ]
    assert by_rate == sorted(by_rate)


def test_knowing_the_snr_helps(photograph: Tensor) -> None:
    for true_db, told_db in ((0.0, 20.0), (20.0, 0.0)):
        figures = {}
        for told in (true_db, told_db):
            (received,) = CODEC.decode([through(encode(photograph, told), true_db)])
            figures[told] = psnr_db(received, photograph)
        assert figures[true_db] > figures[told_db] + 0.3
    assert np.array_equal(
        analogue(encode(photograph, None)).symbols, analogue(encode(photograph, 10.0)).symbols
    )


def test_lost_frames_degrade_gracefully(photograph: Tensor) -> None:
    sent = encode(photograph, 10.0)
    whole, spoilt = through(sent, 10.0), through(sent, 10.0, lost=0.2)
    section = spoilt.sections[1]
    assert isinstance(section, ReceivedAnalog)
    assert 0.05 < section.erased.mean() < 0.4
    clean, faint = (psnr_db(CODEC.decode([r])[0], photograph) for r in (whole, spoilt))
    assert clean > faint > clean - 8
    # What was lost and is believed to be zero does more harm than what is known to be lost.
    believed = replace(
        section,
        noise_var=np.full_like(section.noise_var, 0.1),
        erased=np.zeros_like(section.erased),
    )
    misled = replace(spoilt, sections=(spoilt.sections[0], believed))
    assert psnr_db(CODEC.decode([misled])[0], photograph) < faint - 1


def test_symbols_that_are_no_numbers_count_as_lost(photograph: Tensor) -> None:
    reception = through(encode(photograph), 10.0)
    section = reception.sections[1]
    assert isinstance(section, ReceivedAnalog)
    symbols, noise_var = section.symbols.copy(), section.noise_var.copy()
    erased = section.erased.copy()
    symbols[0, 5:300:7] = np.nan + 1j
    noise_var[0, 400:500] = np.nan
    erased[0, 5:300:7] = True
    erased[0, 400:500] = True
    bad = ReceivedAnalog(symbols, noise_var, section.erased)
    marked = replace(section, erased=erased)
    got, expected = (
        CODEC.decode([replace(reception, sections=(reception.sections[0], s))])[0]
        for s in (bad, marked)
    )
    assert torch.equal(got, expected)


def test_everything_lost(photograph: Tensor) -> None:
    sent = encode(photograph)
    reception = through(sent, 10.0)
    side, section = reception.sections
    assert isinstance(side, ReceivedDigital)
    assert isinstance(section, ReceivedAnalog)
    (grey,) = CODEC.decode([replace(reception, sections=(replace(side, ok=False), section))])
    assert grey.shape == photograph.shape
    assert (grey == 0.5).all()
    void = replace(section, erased=np.ones_like(section.erased))
    (flat,) = CODEC.decode([replace(reception, sections=(side, void))])
    assert flat.std((1, 2)).max() < 1e-5
    assert mse(flat, photograph.mean((1, 2), keepdim=True).expand_as(flat)) < 1e-4


@given(st.lists(st.integers(0, 1), max_size=400))
@settings(max_examples=60, deadline=None)
def test_no_side_information_upsets_the_decoder(bits: list[int]) -> None:
    sent = encode(texture(40, 70))
    reception = through(sent, 10.0)
    side = ReceivedDigital(np.array(bits, np.uint8), ok=True, valid_bits=len(bits))
    (picture,) = CODEC.decode([replace(reception, sections=(side, *reception.sections[1:]))])
    assert picture.shape == (3, 40, 70)
    assert torch.isfinite(picture).all()
    assert picture.min() >= 0
    assert picture.max() <= 1


@pytest.mark.parametrize("colour", [0.0, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (64, 64), (100, 37)])
def test_flat_pictures_arrive_exactly(colour: float, size: tuple[int, int]) -> None:
    picture = torch.full((3, *size), colour)
    sent = encode(picture)
    assert len(sent.sections) == 1
    (received,) = CODEC.decode([through(sent, 10.0)])
    assert torch.equal(received, picture)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 3), (33, 32), (65, 63)])
def test_any_size(size: tuple[int, int]) -> None:
    picture = texture(*size)
    (received,) = CODEC.decode([through(encode(picture), 10.0)])
    assert received.shape == picture.shape
    assert psnr_db(received, picture) >= psnr_db(torch.full_like(picture, 0.5), picture) - 0.5


def test_mixed_sizes_are_coded_one_by_one() -> None:
    pictures = [texture(40, 50), texture(70, 30, seed=1)]
    together = CODEC.encode(pictures, ChannelState(10.0))
    for sent, picture in zip(together, pictures, strict=True):
        assert np.array_equal(analogue(sent).symbols, analogue(encode(picture)).symbols)
    receptions = [through(sent, 10.0) for sent in together]
    for got, reception in zip(CODEC.decode(receptions), receptions, strict=True):
        assert torch.equal(got, CODEC.decode([reception])[0])


def test_bad_pictures_and_rates() -> None:
    with pytest.raises(ValueError, match=r"\[3, H, W\], not \[1, 4, 4\]"):
        encode(torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match="not finite"):
        encode(torch.full((3, 4, 4), torch.nan))
    with pytest.raises(ValueError, match="cannot be served"):
        encode(texture(8, 8), cbr=0.0)


def test_opens_by_name_at_any_rate() -> None:
    picture = texture(96, 96)
    for codec, cbr in (
        (load("linear"), 1 / 6),
        (load("linear", "r12"), 1 / 12),
        (load("linear", cbr=0.11), 0.11),
    ):
        (sent,) = codec.encode([picture], ChannelState(10.0))
        assert channel_uses(sent) == round(cbr * picture.numel())
        assert sent.label == codec.label
