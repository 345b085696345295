# SPDX-License-Identifier: GPL-3.0-or-later
import io
import os
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from semcom_models.cifar10 import VALUES, BadDataset, load_cifar10

RNG = np.random.default_rng(2)
IMAGES = RNG.integers(0, 256, (60, 32, 32, 3), np.uint8)
LABELS = RNG.integers(0, 10, 60, np.uint8)
NAMES = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]


def planes(batch: int) -> tuple[np.ndarray, np.ndarray]:
    part = slice(10 * batch, 10 * batch + 10)
    return IMAGES[part].transpose(0, 3, 1, 2).reshape(10, VALUES), LABELS[part]


def binary(batch: int) -> bytes:
    values, labels = planes(batch)
    return np.hstack((labels[:, None], values)).tobytes()


def python2_pickle(batch: int) -> bytes:
    """The opcodes that Python 2's cPickle wrote into the published files."""
    values, labels = planes(batch)

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    raw = values.tobytes()
    return b"".join(
        [
            b"\x80\x02}q\x01(",
            text(b"batch_label"),
            text(b"training batch 1 of 5"),
            text(b"labels"),
            b"]q\x05(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e",
            text(b"data"),
            b"cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08K\x00\x85",
            text(b"b"),
            b"\x87R(K\x01K\x0aM\x00\x0c\x86cnumpy\ndtype\n",
            text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xff",
            b"J\xff\xff\xff\xffK\x00tb\x89",
            b"T" + len(raw).to_bytes(4, "little") + raw + b"tb",
            text(b"filenames"),
            b"](" + text(b"a.png") + b"eu.",
        ]
    )


def python3_pickle(protocol: int, batch: int) -> bytes:
    values, labels = planes(batch)
    content = {b"data": values, b"labels": labels.tolist(), b"filenames": ["a.png"] * 10}
    return pickle.dumps(content, protocol)


def check(path: Path) -> None:
    train, test = load_cifar10(path, "train"), load_cifar10(path, "test")
    assert np.array_equal(train.images, IMAGES[:50])
    assert np.array_equal(train.labels, LABELS[:50])
    assert np.array_equal(list(test), IMAGES[50:])
    assert len(test) == 10


def write_folder(folder: Path, suffix: str, contents: list[bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in zip(NAMES, contents, strict=True):
        (folder / f"{name}{suffix}").write_bytes(content)
    return folder


def test_binary_folder_and_the_one_above(tmp_path: Path) -> None:
    inner = write_folder(tmp_path / "cifar-10-batches-bin", ".bin", [*map(binary, range(6))])
    check(inner)
    check(tmp_path)


def test_binary_archive(tmp_path: Path) -> None:
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for batch, name in enumerate(NAMES):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = len(binary(batch))
            archive.addfile(member, io.BytesIO(binary(batch)))
    check(path)


def test_python_version_as_published(tmp_path: Path) -> None:
    contents = [*map(python2_pickle, range(6))]
    first = pickle.loads(contents[0], encoding="bytes")
    assert np.array_equal(first[b"data"], planes(0)[0])
    check(write_folder(tmp_path / "cifar-10-batches-py", "", contents))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_python_version_pickled_again(tmp_path: Path, protocol: int) -> None:
    check(write_folder(tmp_path / "again", "", [python3_pickle(protocol, n) for n in range(6)]))


class Bomb:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.trace),)


def test_a_pickle_is_never_run(tmp_path: Path) -> None:
    values, labels = planes(0)
    trace = tmp_path / "run"
    evil = pickle.dumps({"x": Bomb(trace), "labels": labels.tolist(), "data": values}, 4)
    folder = write_folder(tmp_path / "evil", "", [evil] * 6)
    assert np.array_equal(load_cifar10(folder, "test").images, IMAGES[:10])
    assert not trace.exists()
    pickle.loads(evil)
    assert trace.exists()


def test_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "train.npz", images=IMAGES, labels=LABELS)
    assert np.array_equal(load_cifar10(tmp_path / "train.npz", "train").images, IMAGES)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"images": IMAGES}, "no labels"),
        ({"images": IMAGES, "labels": LABELS[:5]}, "60 pictures and labels of shape"),
        ({"images": IMAGES, "labels": LABELS + 9}, "not 0 to 9"),
        ({"images": IMAGES / 255, "labels": LABELS}, "not uint8"),
        ({"images": np.array([object()]), "labels": LABELS}, "allow_pickle"),
    ],
)
def test_bad_npz(tmp_path: Path, content: dict[str, np.ndarray], reason: str) -> None:
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(BadDataset, match=reason):
        load_cifar10(tmp_path / "a.npz", "train")


def test_npz_with_damaged_compression(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, images=IMAGES, labels=LABELS)
    content = bytearray(path.read_bytes())
    name, extra = struct.unpack_from("<HH", content, 26)
    content[30 + name + extra] = 0xFF  # a deflate block of no known type
    path.write_bytes(content)
    with pytest.raises(BadDataset, match="invalid block type"):
        load_cifar10(path, "train")


def test_bad_batches(tmp_path: Path) -> None:
    whole = [*map(binary, range(6))]
    short = write_folder(tmp_path / "short", ".bin", [*whole[:5], whole[5][:-1]])
    with pytest.raises(BadDataset, match="not whole records"):
        load_cifar10(short, "test")
    (short / "data_batch_3.bin").unlink()
    with pytest.raises(BadDataset, match=r"neither data_batch_3.bin nor data_batch_3"):
        load_cifar10(short, "train")
    cut = write_folder(tmp_path / "cut", "", [python2_pickle(n)[:9000] for n in range(6)])
    with pytest.raises(BadDataset, match="cannot read CIFAR-10"):
        load_cifar10(cut, "train")
    (tmp_path / "text.tar.gz").write_text("no archive")
    with pytest.raises(BadDataset, match="cannot read CIFAR-10"):
        load_cifar10(tmp_path / "text.tar.gz", "train")
    with pytest.raises(BadDataset, match="no CIFAR-10 at"):
        load_cifar10(tmp_path / "nowhere", "train")
