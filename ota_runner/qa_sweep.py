# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweeps from end to end: folders, resuming, failures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import yaml
from PIL import Image

from ota_runner import run, sweep_jobs
from ota_runner.cli import execute
from ota_runner.errors import RadioUnavailable
from semcom_models.codecs import registry


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder of three pictures that are too small for SSIM, which takes a while."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    for name in ("red", "green", "blue"):
        Image.new("RGB", (8, 8), name).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def sweep(tmp_path: Path, blocks: str, tiny: Path) -> Callable[..., int]:
    """Runs a sweep of two SNRs and two seeds over tiny pictures."""
    file = tmp_path / "small.yaml"

    def call(*more: str, **changes: Any) -> int:
        content = {"schemes": [blocks], "radio": "ideal", "snr": [0, 20], "seed": [1, 2]}
        file.write_text(yaml.safe_dump(content | changes, sort_keys=False))
        output = ["--output", str(tmp_path / "out")]
        return execute(["sweep", str(file), "--images", str(tiny), *output, *more])

    return call


def swept(folder: Path) -> dict[str, dict[str, Any]]:
    record = json.loads((folder / "sweep.json").read_text())
    assert record["format"] == 1
    return {entry["folder"]: entry for entry in record["runs"]}


def test_a_sweep_leaves_ordinary_runs(
    sweep: Callable[..., int], blocks: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep("--json") == 0
    printed = json.loads(capsys.readouterr().out)
    out = tmp_path / "out"
    assert printed == json.loads((out / "compare.json").read_text())
    entries = swept(out)
    assert list(entries) == [
        f"{blocks}/snr={snr}_seed={seed}" for snr in (0, 20) for seed in (1, 2)
    ]
    for folder, entry in entries.items():
        assert (entry["status"], entry["pictures"], entry["completed"]) == ("finished", 3, 3)
        assert entry["label"] == blocks
        kept = yaml.safe_load((out / folder / "config.yaml").read_text())
        assert {name: kept[name] for name in ("snr", "seed")} == entry["axes"]
        for name in ("images.jsonl", "summary.json", "report.html"):
            assert (out / folder / name).exists()
    alone = tmp_path / "alone"
    config = out / blocks / "snr=20_seed=2" / "config.yaml"
    assert execute(["--config", str(config), "--output", str(alone)]) == 0
    for picture in sorted((alone / "received").iterdir()):
        of_sweep = config.parent / "received" / picture.name
        assert picture.read_bytes() == of_sweep.read_bytes()


def test_codecs_are_opened_once(sweep: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Mock(side_effect=sweep_jobs.open_codec)
    monkeypatch.setattr(sweep_jobs, "open_codec", opened)
    assert sweep() == 0
    opened.assert_called_once()


def test_nothing_runs_when_the_last_scheme_is_wrong(
    sweep: Callable[..., int], blocks: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(schemes=[blocks, {"scheme": "linear", "preset": "r7"}]) == 2
    assert "no preset 'r7'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_interrupted_and_gone_on_with(
    sweep: Callable[..., int],
    blocks: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The second run is cut in its second picture; both it and the rest are finished later."""
    out, sent = tmp_path / "out", []
    original = run._send_picture

    def cut(draft: Any, *rest: Any) -> Any:
        sent.append(draft.picture.name)
        if len(sent) == 5:
            raise KeyboardInterrupt
        return original(draft, *rest)

    monkeypatch.setattr(run, "_send_picture", cut)
    assert sweep() == 130
    assert f"interrupted; go on with --resume --output {out}" in capsys.readouterr().err
    first, second, third, _ = swept(out).values()
    assert [e["status"] for e in (first, second, third)] == ["finished", "incomplete", "planned"]
    before = (out / first["folder"] / "run.json").read_bytes()
    assert execute(["compare", str(out)]) == 0
    assert f"left out: 2 of 4 runs of {out} have not begun" in capsys.readouterr().err

    assert sweep() == 2
    assert "holds a sweep already" in capsys.readouterr().err
    assert sweep("--resume", seed=[1, 2, 3]) == 0
    assert len(sent) == 5 + (3 - 1) + 2 * 3 + 2 * 3  # what was left, and the further seed
    assert {e["status"] for e in swept(out).values()} == {"finished"}
    assert (out / first["folder"] / "run.json").read_bytes() == before
    assert sweep("--resume") == 0
    assert len(sent) == 19
    assert len(swept(out)) == 6  # what an earlier call asked for is still listed


def test_another_value_of_a_common_option_is_refused(
    sweep: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep() == 0
    assert sweep("--resume", erase_fragments=0.5) == 2
    assert "was begun with erase_fragments: 0.0, not 0.5" in capsys.readouterr().err


def test_runs_of_what_a_schemes_file_was_before_are_refused(
    sweep: Callable[..., int], own_file: Path, tmp_path: Path
) -> None:
    """Even where all of their pictures are done."""
    asked = {"schemes": [str(own_file)], "snr": 20, "seed": 1}
    assert sweep(**asked) == 0
    own_file.write_text(own_file.read_text() + "# better\n")
    registry.unregister("own")  # as in another process
    assert sweep("--resume", **asked) == 4
    [entry] = swept(tmp_path / "out").values()
    assert entry["status"] == "failed"
    assert "the scheme's file is not what" in entry["error"]


def test_one_failed_run_does_not_stop_the_rest(
    sweep: Callable[..., int],
    blocks: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    original = sweep_jobs.run_job

    def fail_once(settings: Any, *rest: Any) -> Any:
        if (settings.run.snr, settings.run.seed) == (0, 2):
            raise ValueError("no luck")
        return original(settings, *rest)

    monkeypatch.setattr(sweep_jobs, "run_job", fail_once)
    assert sweep() == 4
    assert f"2 of 4, {blocks}/snr=0_seed=2: no luck" in capsys.readouterr().err
    first, second, *others = swept(tmp_path / "out").values()
    assert (second["status"], second["error"]) == ("failed", "no luck")
    assert {entry["status"] for entry in (first, *others)} == {"finished"}
    monkeypatch.setattr(sweep_jobs, "run_job", original)
    assert sweep("--resume") == 0
    assert {entry["status"] for entry in swept(tmp_path / "out").values()} == {"finished"}


def test_when_every_run_fails(
    sweep: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sweep_jobs, "run_job", Mock(side_effect=RadioUnavailable("unplugged")))
    assert sweep() == 4
    said = capsys.readouterr()
    assert said.err.count("unplugged") == 4
    assert said.err.splitlines()[-1].startswith("ota_runner: nothing to compare")
    assert said.out == ""
    assert {entry["status"] for entry in swept(tmp_path / "out").values()} == {"failed"}


def test_lost_pictures_are_exit_4(sweep: Callable[..., int], tmp_path: Path) -> None:
    assert sweep(erase_fragments=1.0) == 4
    assert {e["status"] for e in swept(tmp_path / "out").values()} == {"finished"}
    assert {e["completed"] for e in swept(tmp_path / "out").values()} == {0}


def test_default_folder(
    sweep: Callable[..., int], tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sweep() == 0
    monkeypatch.chdir(tmp_path)
    assert execute(["sweep", "small.yaml", "--images", str(tiny)]) == 0
    [folder] = (tmp_path / "runs").iterdir()
    assert folder.name.endswith("-sweep-small")
    assert execute(["sweep", "small.yaml", "--resume"]) == 2
