# SPDX-License-Identifier: GPL-3.0-or-later
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_models.codecs.adjscc import ADJSCC, ADJSCCCodec, Architecture, to_codeword
from semcom_models.codecs.registry import load
from semcom_models.codecs.weights import BadWeights, WeightsInfo, save_weights
from semcom_phy.exchange import (
    AnalogSection,
    ChannelState,
    CodecLabel,
    PictureHeader,
    ReceivedAnalog,
    Reception,
    SectionEntry,
    Transmission,
)

LABEL = CodecLabel(codec=2)


@pytest.mark.parametrize(
    ("channels", "attention", "published"),
    [
        (16, True, 10_758_191),
        (16, False, 10_690_351),
        (8, True, 10_655_583),
        (8, False, 10_587_743),
    ],
)
def test_parameters_as_published(channels: int, attention: bool, published: int) -> None:
    network = ADJSCC(Architecture(channels, 256, attention))
    assert sum(p.numel() for p in network.parameters()) == published


def small_codec(channels: int = 16, attention: bool = True) -> ADJSCCCodec:
    torch.manual_seed(3)
    return ADJSCCCodec(ADJSCC(Architecture(channels, 12, attention)), LABEL, (0.0, 20.0))


def symbols_of(codec: ADJSCCCodec, picture: torch.Tensor, snr_db: float) -> np.ndarray:
    section = codec.encode([picture], ChannelState(snr_db))[0].sections[0]
    assert isinstance(section, AnalogSection)
    return section.symbols


def through(sent: Transmission, noise_var: float = 0.0, lost: float = 0.0) -> Reception:
    section = sent.sections[0]
    assert isinstance(section, AnalogSection)
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(2, *section.symbols.shape)) * (noise_var / 2) ** 0.5
    erased = rng.random(section.symbols.shape) < lost
    symbols = np.where(erased, 0, section.symbols + noise[0] + 1j * noise[1])
    header = PictureHeader(
        0, sent.height, sent.width, sent.label, (SectionEntry(False, section.channel_uses),)
    )
    received = ReceivedAnalog(
        symbols.astype(np.complex64),
        np.where(erased, np.inf, noise_var).astype(np.float32),
        erased,
    )
    return Reception(header, (received,), noise_var)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 41), st.integers(1, 41), st.sampled_from([1, 3, 8, 16]))
def test_any_size_and_rate(height: int, width: int, channels: int) -> None:
    codec = small_codec(channels)
    (sent,) = codec.encode([torch.rand(3, height, width)], ChannelState(snr_db=10))
    section = sent.sections[0]
    assert isinstance(section, AnalogSection)
    assert section.channel_uses == math.ceil(
        channels * math.ceil(height / 4) * math.ceil(width / 4) / 2
    )
    assert np.mean(np.abs(section.symbols) ** 2) == pytest.approx(1, abs=1e-4)
    (picture,) = codec.decode([through(sent, 0.1)])
    assert picture.shape == (3, height, width)
    assert bool(((picture >= 0) & (picture <= 1)).all())


@pytest.mark.parametrize("attention", [True, False])
def test_strips_equal_whole_picture(attention: bool) -> None:
    network = small_codec(attention=attention).network
    images, snr_db = torch.rand(1, 3, 52, 44), torch.tensor([7.0])
    with torch.no_grad():
        whole = network.encoder(images, snr_db)
        picture = network.decoder(whole, snr_db)
    for pixels in (1, 150, 500, 10**6):
        torch.testing.assert_close(network.encoder.in_strips(images, snr_db, pixels), whole)
        torch.testing.assert_close(network.decoder.in_strips(whole, snr_db, pixels), picture)


def test_starts_as_a_linear_code() -> None:
    """Untrained weights already send a picture: an encoder that loses it would train for ages."""
    torch.manual_seed(0)
    codec = ADJSCCCodec(ADJSCC(Architecture(16, 64)), LABEL, (0.0, 20.0))
    rows, columns = torch.meshgrid(
        torch.linspace(0, 3, 96), torch.linspace(0, 4, 96), indexing="ij"
    )
    picture = 0.5 + 0.25 * torch.stack([rows.sin(), columns.cos(), (rows + columns).sin()])
    (sent,) = codec.encode([picture], ChannelState(20.0))
    (decoded,) = codec.decode([through(sent, 0.01)])
    assert float((decoded - picture).square().mean()) < 0.3 * float(picture.var())


def test_black_picture_and_total_loss() -> None:
    codec = small_codec()
    (sent,) = codec.encode([torch.zeros(3, 16, 16)], ChannelState(snr_db=10))
    assert bool(torch.isfinite(codec.decode([through(sent, 0.1)])[0]).all())
    assert bool(torch.isfinite(codec.decode([through(sent, 0.1, lost=1.0)])[0]).all())


def test_zero_features_make_a_finite_codeword() -> None:
    assert bool((to_codeword(torch.zeros(1, 3, 1, 1)) == 0).all())


def test_snr_outside_training_counts_as_the_nearest() -> None:
    codec, picture = small_codec(), torch.rand(3, 16, 16)
    for outside, nearest in ((-15.0, 0.0), (40.0, 20.0)):
        far, near = (symbols_of(codec, picture, snr) for snr in (outside, nearest))
        np.testing.assert_array_equal(far, near)


def test_attention_follows_the_snr_and_bdjscc_ignores_it() -> None:
    picture = torch.rand(3, 32, 32)
    for attention in (True, False):
        codec = small_codec(attention=attention)
        low, high = (symbols_of(codec, picture, snr) for snr in (0.0, 20.0))
        assert np.array_equal(low, high) != attention


def test_wrong_picture_shape() -> None:
    with pytest.raises(ValueError, match=r"\[3, H, W\]"):
        small_codec().encode([torch.rand(16, 16)], ChannelState())


def altered(reception: Reception, **changes: np.ndarray) -> Reception:
    section = reception.sections[0]
    assert isinstance(section, ReceivedAnalog)
    return replace(reception, sections=(replace(section, **changes),))


def test_symbols_that_are_no_numbers_or_drowned_count_as_lost() -> None:
    codec = small_codec()
    (sent,) = codec.encode([torch.rand(3, 16, 16)], ChannelState(snr_db=10))
    clean = through(sent, 0.1)
    section = clean.sections[0]
    assert isinstance(section, ReceivedAnalog)
    hit = np.zeros(section.symbols.shape, bool)
    hit[0, ::7] = True
    (expected,) = codec.decode(
        [altered(clean, symbols=np.where(hit, 0, section.symbols), erased=hit)]
    )
    for bad in (
        altered(clean, symbols=np.where(hit, np.nan, section.symbols).astype(np.complex64)),
        altered(clean, noise_var=np.where(hit, np.nan, section.noise_var).astype(np.float32)),
        altered(
            clean,
            symbols=np.where(hit, 1e4, section.symbols).astype(np.complex64),
            noise_var=np.where(hit, 1e6, section.noise_var).astype(np.float32),
        ),
    ):
        torch.testing.assert_close(codec.decode([bad])[0], expected)


def test_header_of_another_layout_is_refused() -> None:
    codec = small_codec()
    (sent,) = codec.encode([torch.rand(3, 16, 16)], ChannelState(snr_db=10))
    received = through(sent, 0.1)
    taller = replace(received, header=replace(received.header, height=64))
    for foreign in (taller, replace(received, sections=())):
        with pytest.raises(ValueError, match="sections are not those"):
            codec.decode([foreign])


def test_what_is_no_number_is_refused_at_the_encoder() -> None:
    with pytest.raises(ValueError, match="no finite numbers"):
        small_codec().encode([torch.full((3, 8, 8), float("nan"))], ChannelState(snr_db=10))
    with pytest.raises(ValueError, match="SNR is no number"):
        small_codec().encode([torch.rand(3, 8, 8)], ChannelState(snr_db=float("nan")))


def test_sizes_beyond_the_file_are_refused_before_they_are_allocated(tmp_path: Path) -> None:
    network = small_codec().network
    sizes = {**network.size.metadata(), "snr_low_db": "0", "snr_high_db": "20"}
    info = WeightsInfo("adjscc", "huge", 200, 1 / 6, {**sizes, "filters": "90000"})
    path = tmp_path / "adjscc-huge.safetensors"
    save_weights(path, network.state_dict(), info)
    with pytest.raises(BadWeights, match="too small"):
        load("adjscc", weights=path)
