# SPDX-License-Identifier: GPL-3.0-or-later
"""CIFAR-10 in its public layouts, read without running anything that is in the files.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. The layouts: the
binary version and the Python version, each as the ``.tar.gz`` that is published or as the folder it
unpacks to, and npz files with ``images`` and ``labels``. The Python version is a pickle; its
opcodes are read for the two arrays in it and never executed.
"""

from __future__ import annotations

import pickletools
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Split: TypeAlias = Literal["train", "test"]

SIDE = 32
VALUES = 3 * SIDE * SIDE
_BATCHES = {
    "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
    "test": ("test_batch",),
}
_MAX_BATCH_BYTES = 64 * 2**20


class BadDataset(ValueError):
    """A data set that is missing or damaged; the message is one line for the user."""


_UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError),
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error),
)
"""What reading a damaged file may raise."""


@dataclass(frozen=True, eq=False)
class LabelledPictures:
    """Pictures with a class each; iterates over the pictures.

    Attributes:
        images: uint8 RGB ``[N, 32, 32, 3]``.
        labels: uint8 ``[N]``, 0 to 9.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return iter(self.images)


def load_cifar10(path: Path, split: Split) -> LabelledPictures:
    """The pictures of a split, in official order.

    Args:
        path: ``cifar-10-binary.tar.gz`` or ``cifar-10-python.tar.gz``, the folder either unpacks
            to, or an npz file with ``images`` uint8 ``[N, 32, 32, 3]`` and ``labels`` ``[N]``
            (which is one split by itself: ``split`` is not looked at).
        split: ``train`` or ``test``.

    Raises:
        BadDataset: missing, incomplete or damaged.
    """
    if not path.exists():
        raise BadDataset(f"no CIFAR-10 at {path}")
    try:
        if path.suffix == ".npz":
            return _read_npz(path)
        if path.is_dir():
            return _read_batches(lambda name: _from_folder(path, name), split)
        with tarfile.open(path) as archive:
            return _read_batches(lambda name: _from_archive(archive, name), split)
    except _UNREADABLE as error:
        reason = " ".join(str(error).split())
        raise BadDataset(f"cannot read CIFAR-10 from {path}: {reason}") from error


def _read_npz(path: Path) -> LabelledPictures:
    with np.load(path, allow_pickle=False) as file:
        missing = {"images", "labels"} - set(file.files)
        if missing:
            raise ValueError(f"it has no {' and no '.join(sorted(missing))}")
        images, labels = file["images"], file["labels"]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (SIDE, SIDE, 3):
        raise ValueError(f"images are {images.dtype} {images.shape}, not uint8 (N, 32, 32, 3)")
    return _checked(images, labels)


def _read_batches(fetch: Callable[[str], bytes | None], split: Split) -> LabelledPictures:
    """Both versions: ``fetch`` gives the content of a file by name, None where there is none."""
    pictures, labels = [], []
    for name in _BATCHES[split]:
        if (content := fetch(f"{name}.bin")) is not None:
            planes, classes = _parse_binary(content)
        elif (content := fetch(name)) is not None:
            planes, classes = _parse_pickle(content)
        else:
            raise ValueError(f"it has neither {name}.bin nor {name}")
        pictures.append(planes)
        labels.append(classes)
    stacked = np.concatenate(pictures).reshape(-1, 3, SIDE, SIDE)
    return _checked(np.ascontiguousarray(stacked.transpose(0, 2, 3, 1)), np.concatenate(labels))


def _from_folder(folder: Path, name: str) -> bytes | None:
    found = [folder / name, *sorted(folder.glob(f"cifar-10-batches-*/{name}"))]
    file = next((file for file in found if file.is_file()), None)
    if file is None:
        return None
    if file.stat().st_size > _MAX_BATCH_BYTES:
        raise ValueError(f"{name} is larger than any batch")
    return file.read_bytes()


def _from_archive(archive: tarfile.TarFile, name: str) -> bytes | None:
    for member in archive.getmembers():
        if Path(member.name).name == name and member.isfile():
            if member.size > _MAX_BATCH_BYTES:
                raise ValueError(f"{name} is larger than any batch")
            file = archive.extractfile(member)
            return None if file is None else file.read()
    return None


def _parse_binary(content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Records of one label byte and 3072 plane bytes."""
    if len(content) == 0 or len(content) % (VALUES + 1):
        raise ValueError(f"a batch of {len(content)} bytes is not whole records of {VALUES + 1}")
    records = np.frombuffer(content, np.uint8).reshape(-1, VALUES + 1)
    return records[:, 1:], records[:, 0]


def _parse_pickle(content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The ``labels`` list and the ``data`` array of a pickled dictionary, out of its opcodes.

    The array's bytes are the longest string of the file; the labels are the numbers between the
    string ``labels`` and the next one.
    """
    labels: list[int] = []
    data: str | bytes | bytearray = b""
    text: str | bytes | bytearray = ""
    for opcode, argument, _ in pickletools.genops(content):
        if isinstance(argument, str | bytes | bytearray):
            text = argument
            data = max(data, text, key=len)
        elif text in ("labels", b"labels") and opcode.name == "BININT1":
            labels.append(int(argument or 0))
    planes = np.frombuffer(data.encode("latin-1") if isinstance(data, str) else data, np.uint8)
    if planes.size == 0 or planes.size != VALUES * len(labels):
        raise ValueError(f"a batch has {planes.size} bytes of pictures for {len(labels)} labels")
    return planes.reshape(-1, VALUES), np.array(labels, np.uint8)


def _checked(images: NDArray[np.uint8], labels: NDArray[Any]) -> LabelledPictures:
    if labels.shape != (len(images),) or labels.size == 0:
        raise ValueError(f"it has {len(images)} pictures and labels of shape {labels.shape}")
    if labels.min() < 0 or labels.max() > 9:
        raise ValueError("it has labels that are not 0 to 9")
    return LabelledPictures(images, labels.astype(np.uint8))
