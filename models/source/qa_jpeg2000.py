# SPDX-License-Identifier: GPL-3.0-or-later
import io
import struct
from itertools import accumulate

import numpy as np
import pytest
from PIL import Image
from skimage import data

from semcom_models.source import DamagedStream
from semcom_models.source.jpeg2000 import JPEG2000
from semcom_models.source.jpeg2000_packets import Coding, packet_ends

PHOTOGRAPH = np.ascontiguousarray(data.astronaut()[:256, 100:356])
CODEC = JPEG2000()
STREAM = CODEC.encode(PHOTOGRAPH, CODEC.qualities[1000])
DATA = STREAM.index(b"\xff\x93") + 2


def error_of(stream: bytes) -> float:
    return float(np.mean((CODEC.decode(stream, 256, 256).astype(float) - PHOTOGRAPH) ** 2))


def test_is_a_bare_codestream() -> None:
    assert STREAM[:4] == b"\xff\x4f\xff\x51"
    assert b"OpenJPEG" not in STREAM
    assert np.array_equal(np.array(Image.open(io.BytesIO(STREAM))), CODEC.decode(STREAM, 256, 256))


def test_prefixes_get_better_as_they_get_longer() -> None:
    lengths = np.linspace(120, len(STREAM), 50).astype(int)
    errors = np.array([error_of(STREAM[:length]) for length in lengths])
    assert errors[-1] < 60
    assert (np.diff(errors) <= 0).all()
    assert len(set(errors)) > 25


@pytest.mark.parametrize("part", [8, 4, 2])
def test_a_layer_is_as_good_as_a_stream_of_its_length(part: int) -> None:
    budget = len(STREAM) // part + 20
    alone = CODEC.best_within(PHOTOGRAPH, budget)
    assert alone is not None
    loss_db = 10 * np.log10(error_of(STREAM[:budget]) / error_of(alone.stream))
    assert -0.3 < loss_db < 0.3


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_what_is_missing_is_as_if_it_had_never_been_coded(layer: int) -> None:
    """Cut after a layer, or a little later, it is what OpenJPEG reads of those layers alone."""
    with Image.open(io.BytesIO(STREAM)) as picture:
        (tile,) = picture.tile
        assert isinstance(tile.args, tuple)
        picture.tile = [tile._replace(args=(*tile.args[:2], layer, *tile.args[3:]))]
        expected = np.array(picture)
    packets = list(packet_ends(STREAM[DATA:], Coding(256, 256, 3, levels=5, layers=4)))
    assert len(packets) == 3 * 6 * 4
    end = DATA + packets[18 * layer - 1]
    for length in (end, end + 1):
        assert np.array_equal(CODEC.decode(STREAM[:length], 256, 256), expected)
    shorter = STREAM[: DATA + packets[18 * layer - 4] - 1]  # the last three are empty
    assert not np.array_equal(CODEC.decode(shorter, 256, 256), expected)


def test_bytes_at_the_end_may_be_missing_or_too_many() -> None:
    expected = CODEC.decode(STREAM, 256, 256)
    for stream in (STREAM[:-1], STREAM[:-2], STREAM + b"abc"):
        assert np.array_equal(CODEC.decode(stream, 256, 256), expected)


@pytest.mark.parametrize("shape", [(64, 65), (129, 200), (128, 256)])
@pytest.mark.parametrize("bits_per_pixel", [0.3, 4.0])
def test_packets_are_as_long_as_the_encoder_says(
    shape: tuple[int, int], bits_per_pixel: float
) -> None:
    """OpenJPEG can tell the lengths of packets in a marker segment, PLT (T.800, A.7.3)."""
    rgb = data.astronaut()[: shape[0], : shape[1]]
    file = io.BytesIO()
    Image.fromarray(rgb).save(
        file,
        "JPEG2000",
        no_jp2=True,
        irreversible=True,
        plt=True,
        quality_layers=[24 / bits_per_pixel * part for part in (4, 2, 1)],
    )
    stream = file.getvalue()
    start = stream.index(b"\xff\x58", stream.index(b"\xff\x90"))
    (length,) = struct.unpack_from(">H", stream, start + 2)
    told, value = [], 0
    for byte in stream[start + 5 : start + 2 + length]:
        value = value << 7 | byte & 127
        if byte < 128:
            told.append(value)
            value = 0
    packets = stream[start + length + 4 : -2]
    assert len(told) == 3 * 6 * 3
    coding = Coding(*shape, components=3, levels=5, layers=3)
    assert list(packet_ends(packets, coding)) == list(accumulate(told))


def test_a_prefix_within_the_headers_is_damage() -> None:
    for length in (0, 1, 2, 50, DATA - 1):
        with pytest.raises(DamagedStream, match="ends within its headers"):
            CODEC.decode(STREAM[:length], 256, 256)


def test_length_that_nobody_would_send_is_not_believed() -> None:
    at = STREAM.index(b"\xff\x90") + 6
    forged = STREAM[:at] + b"\xff\xff\xff\xff" + STREAM[at + 4 :]
    with pytest.raises(DamagedStream, match="more bytes than a picture has"):
        CODEC.decode(forged, 256, 256)
