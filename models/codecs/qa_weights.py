# SPDX-License-Identifier: GPL-3.0-or-later
import hashlib
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from semcom_models.codecs.weights import (
    BadWeights,
    WeightsInfo,
    load_weights,
    read_info,
    save_weights,
    weights_id,
)

INFO = WeightsInfo("adjscc", "tiny", 3, 1 / 12, {"channels": "8", "odd": "x"})


def network(outputs: int = 2) -> torch.nn.Linear:
    torch.manual_seed(1)
    return torch.nn.Linear(4, outputs)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "adjscc-tiny.safetensors"
    save_weights(file, network().state_dict(), INFO)
    return file


def test_written_and_read_again(path: Path) -> None:
    info = read_info(path)
    assert info == WeightsInfo("adjscc", "tiny", 3, 1 / 12, INFO.architecture, parameters=10)
    assert info.size("channels", path) == 8
    target = network()
    torch.nn.init.zeros_(target.weight)
    load_weights(path, target)
    assert torch.equal(target.weight, network().weight)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_id_is_of_the_bytes(path: Path) -> None:
    digest = hashlib.sha256(path.read_bytes()).digest()
    assert weights_id(path) == int.from_bytes(digest[:4], "big")
    before, times = weights_id(path), path.stat()
    changed = network().state_dict()
    changed["bias"] += 1
    save_weights(path, changed, INFO)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size
    assert weights_id(path) != before


def test_corrupt_files(path: Path) -> None:
    content = path.read_bytes()
    for damaged in (b"", b"junk", content[:20], content[:-3], b"\xff" * 8 + content[8:]):
        path.write_bytes(damaged)
        with pytest.raises(BadWeights, match="corrupt") as caught:
            read_info(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(BadWeights, match="no weights file"):
        read_info(path.with_name("none.safetensors"))
    with pytest.raises(BadWeights, match="cannot read"):
        weights_id(path.with_name("none.safetensors"))


def test_foreign_files(path: Path) -> None:
    save_file(network().state_dict(), path)
    with pytest.raises(BadWeights, match="not of this project"):
        read_info(path)
    save_file(network().state_dict(), path, metadata={"format": "semcom-weights-1"})
    with pytest.raises(BadWeights, match="damaged metadata: 'architecture'"):
        read_info(path)


@pytest.mark.parametrize(("number", "cbr"), [(256, 0.1), (-1, 0.1), (0, 0.0), (0, float("nan"))])
def test_numbers_out_of_range(path: Path, number: int, cbr: float) -> None:
    save_weights(path, network().state_dict(), WeightsInfo("adjscc", "tiny", number, cbr))
    with pytest.raises(BadWeights, match="out of range"):
        read_info(path)


def test_weights_that_do_not_fit(path: Path) -> None:
    with pytest.raises(BadWeights, match="does not fit its network"):
        load_weights(path, network(3))
    with pytest.raises(BadWeights, match="does not give filters"):
        read_info(path).size("filters", path)
    with pytest.raises(BadWeights, match="does not give odd"):
        read_info(path).size("odd", path)
    broken = network().state_dict()
    broken["weight"][0, 0] = float("nan")
    save_weights(path, broken, INFO)
    with pytest.raises(BadWeights, match="not finite in weight"):
        load_weights(path, network())
