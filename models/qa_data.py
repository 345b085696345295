# SPDX-License-Identifier: GPL-3.0-or-later
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from semcom_models import data
from semcom_models.data import (
    UnreadablePicture,
    find_pictures,
    load_picture,
    load_rgb8,
    round_to_8_bit,
    sample_pictures,
    save_picture,
)

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), np.uint8)


def test_saved_and_loaded_again(tmp_path: Path) -> None:
    picture = torch.from_numpy(RGB).permute(2, 0, 1).float() / 255
    save_picture(tmp_path / "a.png", picture)
    assert torch.equal(load_picture(tmp_path / "a.png"), picture)
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    save_picture(path, torch.zeros(3, 2, 2))

    def broken(self: Image.Image, file: Path, **kwargs: object) -> None:
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", broken)
    with pytest.raises(OSError, match="disk full"):
        save_picture(path, torch.ones(3, 2, 2))
    assert load_rgb8(path).max() == 0
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(ValueError, match=r"\[3, H, W\]"):
        save_picture(path, torch.zeros(2, 2))


def test_rounding_clips_and_takes_nan_for_black() -> None:
    values = torch.tensor([-1.0, 0.0, 0.499 / 255, 0.501 / 255, 1.0, 9.0, float("nan")])
    assert round_to_8_bit(values).tolist() == [0, 0, 0, 1, 255, 255, 0]


def test_grey_and_16_bit_grey(tmp_path: Path) -> None:
    grey = RGB[:, :, 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.tif")
    for name in ("grey.png", "deep.png", "deep.tif"):
        assert np.array_equal(load_rgb8(tmp_path / name), np.repeat(grey[:, :, None], 3, 2)), name


def write_png_of_16_bit_rgb(path: Path, samples: NDArray[np.uint16]) -> None:
    """By hand: Pillow writes no such file."""
    height, width, _ = samples.shape
    lines = (b"\0" + line.astype(">u2").tobytes() for line in samples)

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"".join(lines)))
        + chunk(b"IEND", b"")
    )


def test_16_bit_colour(tmp_path: Path) -> None:
    deep = np.random.default_rng(2).integers(0, 65536, (6, 9, 3), np.uint16)
    deep[0, :3] = [[0, 65535, 0], [255, 256, 257], [65279, 65280, 65281]]
    write_png_of_16_bit_rgb(tmp_path / "deep.png", deep)
    loaded = load_rgb8(tmp_path / "deep.png")
    assert loaded.shape == deep.shape
    assert np.abs(loaded - deep / 257).max() <= 1
    assert loaded[0, 0].tolist() == [0, 255, 0]


def test_one_bit_and_palette(tmp_path: Path) -> None:
    mask = RGB[:, :, 0] > 127
    Image.fromarray(mask).save(tmp_path / "mask.png")
    assert np.array_equal(load_rgb8(tmp_path / "mask.png")[:, :, 1], mask * np.uint8(255))
    few = Image.fromarray(RGB).quantize(16)
    few.save(tmp_path / "few.png")
    assert np.array_equal(load_rgb8(tmp_path / "few.png"), np.asarray(few.convert("RGB")))


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    alpha = np.full((6, 9), 255, np.uint8)
    alpha[0], alpha[1] = 0, 51
    Image.fromarray(np.dstack((RGB, alpha))).save(tmp_path / "alpha.png")
    loaded = load_rgb8(tmp_path / "alpha.png").astype(int)
    assert (loaded[0] == 255).all()
    assert np.abs(loaded[1] - (0.2 * RGB[1] + 0.8 * 255)).max() <= 1
    assert np.array_equal(loaded[2:], RGB[2:])
    keyed = Image.fromarray(np.full((2, 2), 9, np.uint8))
    keyed.save(tmp_path / "keyed.png", transparency=9)
    assert (load_rgb8(tmp_path / "keyed.png") == 255).all()


def test_cmyk(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "red.tif")
    assert load_rgb8(tmp_path / "red.tif")[0, 0].tolist() == [255, 0, 0]


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise
    Image.fromarray(RGB).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(load_rgb8(tmp_path / "turned.png"), np.rot90(RGB, -1))


def test_unreadable_pictures_say_why_in_one_line(tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)).save(whole)
    cut = tmp_path / "cut.png"
    cut.write_bytes(whole.read_bytes()[:4000])
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    (tmp_path / "empty.png").touch()
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    for name in ("cut.png", "text.png", "empty.png", "float.tif", "none.png", "."):
        with pytest.raises(UnreadablePicture, match=r"^(cannot read|no) picture") as caught:
            load_picture(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert name == "." or name in str(caught.value)


def test_too_large_a_picture_is_refused_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png")
    monkeypatch.setattr(data, "MAX_PIXELS", 53)
    with pytest.raises(UnreadablePicture, match="too large \\(9x6\\)"):
        load_picture(tmp_path / "a.png")


def test_finding_pictures(tmp_path: Path) -> None:
    names = ["b.PNG", "a.jpg", "deep/er/c.webp", "notes.txt", "._b.PNG", "x.png/inner.txt"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [str(file.relative_to(tmp_path)) for file in find_pictures(tmp_path)]
    assert found == ["a.jpg", "b.PNG", "deep/er/c.webp"]
    assert find_pictures(tmp_path / "notes.txt") == [tmp_path / "notes.txt"]
    (tmp_path / "hollow").mkdir()
    with pytest.raises(UnreadablePicture, match="no pictures in"):
        find_pictures(tmp_path / "hollow")
    with pytest.raises(UnreadablePicture, match="no picture file or folder"):
        find_pictures(tmp_path / "nowhere")


def test_sample_pictures() -> None:
    shapes = {name: tuple(picture.shape) for name, picture in sample_pictures()}
    assert shapes == {
        "astronaut": (3, 512, 512),
        "coffee": (3, 400, 600),
        "chelsea": (3, 300, 451),
    }
