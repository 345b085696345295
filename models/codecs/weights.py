# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights files: safetensors whose metadata says what they are for.

PyTorch, which takes a while, is imported only where tensors are read or written.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

if TYPE_CHECKING:
    import torch
    from torch import Tensor

FORMAT = "semcom-weights-1"
"""Value of the ``format`` metadata key."""


class BadWeights(ValueError):
    """A weights file that is corrupt or not for this; the message is one line for the user."""


@dataclass(frozen=True)
class WeightsInfo:
    """What a weights file says of itself.

    Attributes:
        scheme: name of the scheme that the weights are for.
        preset: name of the preset.
        number: the preset's number in the frame header, 0 to 255.
        cbr: channel bandwidth ratio R of the preset.
        architecture: sizes of the network as the codec wrote them.
        parameters: how many numbers the tensors hold.
    """

    scheme: str
    preset: str
    number: int
    cbr: float
    architecture: Mapping[str, str] = field(default_factory=dict)
    parameters: int = 0

    def size(self, name: str, path: Path) -> int:
        """An architecture number by name.

        Raises:
            BadWeights: not there or not a whole number.
        """
        try:
            return int(self.architecture[name])
        except (KeyError, ValueError):
            raise BadWeights(
                f"the weights file {path} does not give {name}, which {self.scheme} needs"
            ) from None


def save_weights(path: Path, tensors: Mapping[str, Tensor], info: WeightsInfo) -> None:
    """Write a weights file; an existing one is replaced only once the new one is whole.

    Args:
        path: ends in ``.safetensors``.
        tensors: a network's ``state_dict()``.
        info: what the weights are for; ``parameters`` is counted from the tensors.

    Raises:
        OSError: the file cannot be written.
    """
    from safetensors.torch import save_file

    metadata = {
        "format": FORMAT,
        "scheme": info.scheme,
        "preset": info.preset,
        "number": str(info.number),
        "cbr": repr(info.cbr),
        "architecture": json.dumps(dict(info.architecture), sort_keys=True),
    }
    part = path.with_name(path.name + ".part")
    dense = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(dense, part, metadata=metadata)
    os.replace(part, path)


def read_info(path: Path) -> WeightsInfo:
    """What a weights file is for, from its header alone.

    Raises:
        BadWeights: missing, corrupt, or not a weights file of this project.
    """
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    except FileNotFoundError:
        raise BadWeights(f"no weights file {path}") from None
    except (SafetensorError, OSError) as error:
        raise BadWeights(f"the weights file {path} is corrupt: {_line(error)}") from error
    if metadata.get("format") != FORMAT:
        raise BadWeights(
            f"the weights file {path} is not of this project (no metadata format={FORMAT}): "
            "make one with `ota_runner train`"
        )
    try:
        architecture = json.loads(metadata["architecture"])
        info = WeightsInfo(
            scheme=metadata["scheme"],
            preset=metadata["preset"],
            number=int(metadata["number"]),
            cbr=float(metadata["cbr"]),
            architecture={str(key): str(value) for key, value in architecture.items()},
            parameters=sum(math.prod(shape) for shape in shapes),
        )
    except (KeyError, ValueError, AttributeError) as error:
        raise BadWeights(f"the weights file {path} has damaged metadata: {_line(error)}") from error
    if not 0 <= info.number <= 255 or not 0 < info.cbr < math.inf:
        raise BadWeights(f"the weights file {path} has a preset number or CBR out of range")
    return info


def load_weights(path: Path, network: torch.nn.Module) -> None:
    """Put a file's tensors into a network that was built to fit.

    Raises:
        BadWeights: missing, corrupt, names or shapes that do not fit, or values not finite.
    """
    import torch
    from safetensors.torch import load_file

    read_info(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise BadWeights(f"the weights file {path} is corrupt: {_line(error)}") from error
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise BadWeights(f"the weights file {path} has values that are not finite in {name}")
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise BadWeights(
            f"the weights file {path} does not fit its network: {_line(error)}"
        ) from error


def weights_id(path: Path) -> int:
    """The number by which a frame header names a weights file.

    First four bytes, big endian, of the file's SHA-256 (:class:`CodecLabel.weights`).

    Raises:
        BadWeights: cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise BadWeights(f"cannot read the weights file {path}: {error.strerror}") from error
    return int.from_bytes(digest[:4], "big")


def _line(error: Exception) -> str:
    """An exception's text as one line."""
    return " ".join(str(error).split())[:300]
