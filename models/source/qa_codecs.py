# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds of every codec that comes as a library."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from semcom_models import source
from semcom_models.source import DamagedStream, hevc
from semcom_models.source.jpeg import JPEG

LIBRARIES = ("jpeg", "jpeg2000", "webp", "avif", "hevc")
CODECS = [source.get(name) for name in LIBRARIES]
PHOTOGRAPH = np.ascontiguousarray(data.astronaut()[16:144:2, 160:320:2])  # [64, 80, 3]

every_codec = pytest.mark.parametrize("codec", CODECS, ids=LIBRARIES)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(np.mean((a.astype(float) - b) ** 2), 1e-9)))


def rungs(codec) -> list:
    """The ends of a ladder and what is between them."""
    last = len(codec.qualities) - 1
    return [codec.qualities[i] for i in (0, last // 2, 3 * last // 4, last)]


@every_codec
def test_more_bytes_are_a_better_picture(codec) -> None:
    streams = [codec.encode(PHOTOGRAPH, quality) for quality in rungs(codec)]
    pictures = [codec.decode(stream, 64, 80) for stream in streams]
    sizes = [len(stream) for stream in streams]
    assert sizes == sorted(set(sizes))
    psnrs = [psnr(picture, PHOTOGRAPH) for picture in pictures]
    assert psnrs == sorted(psnrs)
    assert psnrs[-1] > (38 if codec.name in ("webp", "jpeg") else 45)  # 4:2:0


@every_codec
@pytest.mark.parametrize("shape", [(1, 1), (1, 100), (100, 1), (32, 32), (17, 33)])
def test_any_size(codec, shape: tuple[int, int]) -> None:
    columns, rows = np.meshgrid(np.arange(shape[1]), np.arange(shape[0]))
    slopes = np.stack([2 * columns, 2 * rows, 128 + columns - rows], axis=2).astype(np.uint8)
    grey = np.repeat(slopes[:, :, :1], 3, axis=2)
    for rgb in (slopes, grey):
        for quality in rungs(codec):
            decoded = codec.decode(codec.encode(rgb, quality), *shape)
            assert decoded.shape == rgb.shape
            assert decoded.dtype == np.uint8
        assert psnr(decoded, rgb) > 33


@every_codec
def test_colours_come_back(codec) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (130, 60, 200)]
    for colour in colours:
        flat = np.full((32, 48, 3), colour, np.uint8)
        decoded = codec.decode(codec.encode(flat, codec.qualities[-1]), 32, 48)
        limited = codec.name == "webp"  # 16 to 235
        assert np.abs(decoded.astype(int) - flat).max() <= (4 if limited else 2)


@every_codec
def test_the_same_stream_every_time(codec) -> None:
    quality = rungs(codec)[2]
    assert codec.encode(PHOTOGRAPH, quality) == codec.encode(PHOTOGRAPH.copy(), quality)
    assert any(character.isdigit() for character in codec.version())
    assert codec.available()


@every_codec
@pytest.mark.parametrize("bits_per_pixel", [0.8, 2.5])
def test_nothing_better_fits(codec, bits_per_pixel: float) -> None:
    budget = int(bits_per_pixel * 64 * 80 / 8) + 300
    encoded = source.best_within(codec, PHOTOGRAPH, budget)
    assert encoded is not None
    assert len(encoded.stream) <= budget
    assert encoded.stream == codec.encode(PHOTOGRAPH, encoded.quality)
    if codec.name != "jpeg":
        step = codec.qualities.index(encoded.quality)
        assert len(codec.encode(PHOTOGRAPH, codec.qualities[step + 1])) > budget


def test_jpeg_takes_the_chroma_format_with_the_least_error() -> None:
    codec, chosen = JPEG(), set()
    for budget in (700, 2500, 7000):
        best = max(
            (psnr(codec.decode(stream, 64, 80), PHOTOGRAPH), quality)
            for step in codec.qualities
            for chroma in codec.chroma_formats
            if len(stream := codec.encode(PHOTOGRAPH, quality := step._replace(chroma=chroma)))
            <= budget
        )
        encoded = codec.best_within(PHOTOGRAPH, budget)
        assert encoded is not None
        found = psnr(codec.decode(encoded.stream, 64, 80), PHOTOGRAPH)
        assert found == pytest.approx(best[0], abs=0.05)  # a lower quality is seldom a better one
        chosen.add(encoded.quality.chroma)
    assert len(chosen) > 1


@every_codec
def test_too_small_a_budget_is_told(codec) -> None:
    smallest = len(codec.encode(PHOTOGRAPH, codec.qualities[0]))
    assert source.best_within(codec, PHOTOGRAPH, smallest - 1) is None
    assert source.best_within(codec, PHOTOGRAPH, 0) is None
    assert source.best_within(codec, PHOTOGRAPH, smallest) is not None


@every_codec
def test_another_size_than_was_announced_is_damage(codec) -> None:
    stream = codec.encode(PHOTOGRAPH, rungs(codec)[1])
    for shape in ((64, 81), (63, 80), (80, 64), (10**4, 10**4)):
        with pytest.raises(DamagedStream):
            codec.decode(stream, *shape)


@every_codec
@settings(max_examples=60, deadline=None)
@given(change=st.data())
def test_whatever_arrives_is_a_picture_or_damage(codec, change: st.DataObject) -> None:
    stream = codec.encode(PHOTOGRAPH, codec.qualities[len(codec.qualities) // 3])
    kind = change.draw(st.sampled_from(["random", "cut", "flipped"]))
    if kind == "random":
        damaged = change.draw(st.binary(max_size=200))
    elif kind == "cut":
        damaged = stream[: change.draw(st.integers(0, len(stream) - 1))]
    else:
        places = change.draw(st.lists(st.integers(0, 8 * len(stream) - 1), max_size=20))
        bits = np.unpackbits(np.frombuffer(stream, np.uint8))
        bits[places] ^= 1
        damaged = np.packbits(bits).tobytes()
    try:
        decoded = source.decode_safely(codec.name, damaged, 64, 80, 5.0)
    except DamagedStream:
        return
    assert decoded.shape == (64, 80, 3)


def test_names() -> None:
    assert {*LIBRARIES, "bpg", "vvc"} == set(source.names())
    assert all(source.get(name).name == name for name in source.names())
    with pytest.raises(ValueError, match="no picture codec 'gif'; there are jpeg, "):
        source.get("gif")


def test_the_effort_spent_on_hevc_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    photograph = np.ascontiguousarray(data.astronaut()[:128, 128:320])

    def reached(preset: str) -> float:
        monkeypatch.setattr(hevc, "PRESET", preset)
        codec = hevc.HEVC()
        encoded = codec.best_within(photograph, 2000)
        assert encoded is not None
        return psnr(codec.decode(encoded.stream, 128, 192), photograph)

    assert reached(hevc.PRESET) > reached("medium") + 0.1
