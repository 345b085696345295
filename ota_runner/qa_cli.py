# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line in one process: what a run leaves, and one clear line for every mistake."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from pydantic import BaseModel, create_model
from safetensors.torch import save_file
from torch import Tensor

from ota_runner import choice, cli, main_job, run
from ota_runner.choice import OF_THE_CALL
from ota_runner.cli import execute
from ota_runner.radios import IdealOptions, LinkPlan, OpenRadio, RadioChoice
from semcom_models import metrics
from semcom_models.codecs import registry
from semcom_models.codecs.base import Codec
from semcom_models.data import load_picture
from semcom_models.psnr import PSNR_LIMIT_DB
from semcom_phy.exchange import ReceivedDigital, Reception
from semcom_phy.ideal import IdealLink

SUMMARY_KEYS: dict[str, Any] = {
    "format": int,
    "scheme": str,
    "weights": (str, type(None)),
    "radio": str,
    "channel": dict,
    "images": int,
    "completed": int,
    "snr_db": {"set", "estimated_mean", "estimated_std"},
    "cbr": float,
    "air_cbr": float,
    "psnr_db": float,
    "psnr_of_mse_db": float,
    "ssim": float,
    "ms_ssim": (float, type(None)),
    "task": dict,
    "frames": {"sent", "received", "lost"},
    "digital": {"sections", "failed", "crc_false_passes", "fallen_back"},
    "feedback": (dict, type(None)),
    "radio_events": type(None),  # there is no radio
    "transmit_duty": type(None),
    "throughput": {"images_per_s", "samples_per_s", "real_time_factor"},
    "latency_s": {"encode", "waveform", "decode"},
}


def ideal(blocks: str, pictures: Path, output: Path, *more: str) -> list[str]:
    return [
        *("--radio", "ideal", "--scheme", blocks, "--images", str(pictures)),
        *("--output", str(output), *more),
    ]


def records(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "images.jsonl").read_text().splitlines()]


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that stderr holds; stdout is empty."""
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("ota_runner: error: ")
    return lines[0]


def test_run_leaves_its_folder(
    blocks: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    assert execute(ideal(blocks, pictures, output, "--snr", "15")) == 0
    said = capsys.readouterr()
    assert "3 of 3" in said.out
    assert f"report: {output / 'report.html'}" in said.out
    assert said.err == ""  # no progress bar without a terminal
    names = [record["name"] for record in records(output)]
    assert names == ["black", "more/odd size", "ramp"]
    for record in records(output):
        sent, received = output / record["sent"], output / record["received"]
        assert record["sha256"] == hashlib.sha256(sent.read_bytes()).hexdigest()
        assert record["psnr_db"] == metrics.psnr_db(load_picture(received), load_picture(sent))
        assert record["ms_ssim"] is None  # below 161 pixels
        assert record["fragments_received"] == record["fragments_sent"] == 1
        assert record["snr_estimated_db"] == pytest.approx(15, abs=1e-3)
        uses = -(-3 * -(-record["height"] // 4) * -(-record["width"] // 4) // 2)
        assert record["channel_uses"] == uses
    original = load_picture(pictures / "more" / "odd size.png")
    assert load_picture(output / records(output)[1]["sent"]).equal(original)
    assert yaml.safe_load((output / "config.yaml").read_text())["snr"] == 15


def test_summary_is_the_interface(
    blocks: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    assert execute(ideal(blocks, pictures, output, "--json")) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((output / "summary.json").read_text())
    assert list(printed) == list(SUMMARY_KEYS)
    for key, kind in SUMMARY_KEYS.items():
        if isinstance(kind, set):
            assert set(printed[key]) == kind
        else:
            assert isinstance(printed[key], kind)
    kept = records(output)
    sizes = [3 * record["height"] * record["width"] for record in kept]
    uses = [record["channel_uses"] for record in kept]
    assert printed["cbr"] == pytest.approx(sum(uses) / sum(sizes))
    assert printed["psnr_db"] == pytest.approx(np.mean([record["psnr_db"] for record in kept]))
    mean_mse = np.mean([record["mse"] for record in kept])
    assert printed["psnr_of_mse_db"] == pytest.approx(-10 * np.log10(mean_mse))
    assert printed["completed"] == printed["images"] == 3
    assert printed["throughput"]["samples_per_s"] is None  # no waveform


def test_config_written_gives_the_same_pictures(
    blocks: str, pictures: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert execute(ideal(blocks, pictures, first, "--seed", "4")) == 0
    again = ["--config", str(first / "config.yaml"), "--output", str(second)]
    assert execute(again) == 0
    for old in sorted((first / "received").iterdir()):
        assert (second / "received" / old.name).read_bytes() == old.read_bytes()


def test_the_ideal_radio_fades_as_it_is_told(
    blocks: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fading = ["--channel", "tdl-a", "--delay-spread", "3e-7", "--doppler", "5", "--json"]
    estimated = {}
    for antennas in ("1x1", "1x2"):
        words = [*fading, "--antennas", antennas]
        assert execute(ideal(blocks, pictures, tmp_path / antennas, *words)) == 0
        summary = json.loads(capsys.readouterr().out)
        assert summary["channel"]["channel"] == "tdl-a"
        assert summary["channel"]["delay_spread_s"] == 3e-7
        estimated[antennas] = [
            record["snr_estimated_db"] for record in records(tmp_path / antennas)
        ]
    assert np.ptp(estimated["1x1"]) > 0.5  # every picture meets another channel
    assert np.mean(estimated["1x2"]) > np.mean(estimated["1x1"]) + 2


def test_lost_pictures_are_counted_not_invented(
    blocks: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    code = execute(ideal(blocks, pictures, output, "--erase-fragments", "1", "--json"))
    assert code == 4
    said = capsys.readouterr()
    summary = json.loads(said.out)
    assert summary["completed"] == 0
    assert summary["psnr_db"] is None
    assert summary["frames"] == {"sent": 3, "received": 0, "lost": 3}
    assert summary["cbr"] > 0
    assert said.err.count("is lost") == 3
    assert not list((output / "received").iterdir())
    assert {record["status"] for record in records(output)} == {"lost"}
    assert (output / "report.html").exists()


def test_damaged_picture_among_good_ones(
    blocks: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (pictures / "a.png").write_bytes(b"\x89PNG no more")
    output = tmp_path / "run"
    assert execute(ideal(blocks, pictures, output)) == 4
    failed, *others = records(output)
    assert failed["status"] == "failed"
    assert "cannot read picture" in failed["error"]
    assert [record["status"] for record in others] == ["completed"] * 3
    assert "picture a failed: cannot read picture" in capsys.readouterr().err


def test_decoder_that_raises_fails_one_picture(
    blocks: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind: type[Codec] = type(main_job.registry.load(blocks))
    decode = kind.decode

    def brittle(self: Codec, receptions: Sequence[Reception]) -> list[Tensor]:
        if receptions[0].header.picture == 1:
            raise ArithmeticError("no convergence")
        return decode(self, receptions)

    monkeypatch.setattr(kind, "decode", brittle)
    output = tmp_path / "run"
    assert execute(ideal(blocks, pictures, output)) == 4
    assert [record["status"] for record in records(output)] == ["completed", "failed", "completed"]
    assert records(output)[1]["error"] == "ArithmeticError: no convergence"
    monkeypatch.setattr(kind, "decode", decode)
    assert execute(["--resume", "--output", str(output)]) == 0  # failed ones are tried again
    assert len(records(output)) == 4


def test_header_that_claims_a_size_nobody_sends_fails_one_picture(
    blocks: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = IdealLink.receive

    def boast(self: IdealLink, timeout_s: float = 60.0) -> Reception | None:
        reception = receive(self, timeout_s)
        if reception is None or reception.header.picture != 1:
            return reception
        return replace(reception, header=replace(reception.header, height=16384, width=16384))

    monkeypatch.setattr(IdealLink, "receive", boast)
    output = tmp_path / "run"
    assert execute(ideal(blocks, pictures, output)) == 4
    assert [record["status"] for record in records(output)] == ["completed", "failed", "completed"]
    assert "claims a picture of 16384x16384" in records(output)[1]["error"]


def test_link_that_breaks_keeps_what_is_done(
    blocks: str,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    receive = IdealLink.receive

    def broken(self: IdealLink, timeout_s: float = 60.0) -> Reception | None:
        if self.stats.frames_sent:
            raise RuntimeError("device gone")
        return receive(self, timeout_s)

    monkeypatch.setattr(IdealLink, "receive", broken)
    output = tmp_path / "run"
    assert execute(ideal(blocks, pictures, output)) == 4
    assert [record["status"] for record in records(output)] == ["completed", "failed"]
    assert "the link failed: RuntimeError: device gone" in capsys.readouterr().err
    assert json.loads((output / "summary.json").read_text())["images"] == 3


def test_a_trace_sets_the_snr_of_every_picture(
    quantised: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = [12, -1.5, 30, 7.25, 20]
    trace = tmp_path / "trace.csv"
    trace.write_text("snr_db\n" + "\n".join(map(str, values)))
    output = tmp_path / "run"
    assert execute(ideal(quantised, pictures, output, "--snr-trace", str(trace), "--json")) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["images"], summary["completed"]) == (5, 5)
    assert summary["snr_db"]["set"] is None
    kept = records(output)
    assert [record["name"] for record in kept[2:4]] == ["ramp", "black (2)"]
    assert [record["snr_set_db"] for record in kept] == values
    assert [record["notes"]["told_db"] for record in kept] == values
    assert [record["snr_estimated_db"] for record in kept] == pytest.approx(values, abs=1e-3)
    assert yaml.safe_load((output / "config.yaml").read_text())["snr_trace"] == str(trace)
    (output / "images.jsonl").write_text("".join(json.dumps(r) + "\n" for r in kept[:3]))
    assert execute(["--resume", "--output", str(output)]) == 0
    assert "-1.5 to 30.0" in capsys.readouterr().out
    assert [record["snr_set_db"] for record in records(output)] == values
    trace.write_text("snr_db\n12\n3\n30\n7.25\n20\n")
    capsys.readouterr()
    assert execute(["--resume", "--output", str(output)]) == 2
    assert "the SNR trace is not that which" in error_line(capsys)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_pictures_that_are_sent_again_are_told(
    count: int, blocks: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ideal(blocks, pictures, tmp_path / "run", "--count", str(count), "--json")
    assert execute(words) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["images"] == count
    told = "ota_runner: pictures are sent again: 3 found, 7 to send\n"
    assert said.err == (told if count == 7 else "")


def test_fading_is_the_same_for_the_same_seed(
    blocks: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fading = ["--snr-trace", "rician", "--count", "4", "--trace-k", "3", "--seed", "8"]
    assert execute(ideal(blocks, pictures, tmp_path / "one", *fading, "--json")) == 0
    assert json.loads(capsys.readouterr().out)["snr_db"]["set"] == 10  # the mean
    again = ["--config", str(tmp_path / "one" / "config.yaml"), "--output", str(tmp_path / "two")]
    assert execute(again) == 0
    one, two = (
        [record["snr_set_db"] for record in records(tmp_path / name)] for name in ("one", "two")
    )
    assert one == two
    assert len(set(one)) == 4


def test_full_disk_keeps_what_is_done(
    blocks: str,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fsync, appended = os.fsync, []

    def full(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("images.jsonl"):
            appended.append(descriptor)
        if len(appended) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    output = tmp_path / "run"
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        assert execute(ideal(blocks, pictures, output)) == 4
    line = error_line(capsys)
    assert f"cannot write to {output}: No space left on device" in line
    assert "--resume" in line
    assert execute(["--resume", "--output", str(output)]) == 0
    assert {record["status"] for record in records(output)} == {"completed"}


def test_pictures_without_an_error(tmp_path: Path) -> None:
    """Both PSNRs of pictures that arrive as they were are the largest there is."""
    Image.new("RGB", (32, 32)).save(tmp_path / "black.png")
    output = tmp_path / "run"
    images = ["--images", str(tmp_path / "black.png"), "--snr", "60"]
    assert (
        execute(["--radio", "ideal", "--scheme", "linear", *images, "--output", str(output)]) == 0
    )
    summary = json.loads((output / "summary.json").read_text())
    assert summary["psnr_db"] == summary["psnr_of_mse_db"] == PSNR_LIMIT_DB


def test_ctrl_c_then_resume_equals_a_run_in_one_go(
    blocks: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, halted = tmp_path / "whole", tmp_path / "halted"
    assert execute(ideal(blocks, pictures, whole)) == 0
    send = run._send_picture

    def interrupted(draft: Any, *rest: Any) -> Any:
        if draft.picture.number == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return send(draft, *rest)

    monkeypatch.setattr(run, "_send_picture", interrupted)
    assert execute(ideal(blocks, pictures, halted)) == 130
    summary = json.loads((halted / "summary.json").read_text())
    assert (summary["images"], summary["completed"]) == (3, 1)
    assert (halted / "report.html").exists()
    monkeypatch.setattr(run, "_send_picture", send)
    assert execute(["--resume", "--output", str(halted)]) == 0
    assert len(records(halted)) == 3
    for received in (whole / "received").iterdir():
        assert (halted / "received" / received.name).read_bytes() == received.read_bytes()


def test_terminated_like_interrupted(
    blocks: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = run._send_picture

    def terminated(draft: Any, *rest: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        return send(draft, *rest)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(run, "_send_picture", terminated)
    assert execute(ideal(blocks, pictures, tmp_path / "run")) == 130
    assert signal.getsignal(signal.SIGTERM) is before


def test_killed_run_is_reported_and_resumed(
    blocks: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    assert execute(ideal(blocks, pictures, output)) == 0
    whole = (output / "images.jsonl").read_bytes()
    os.truncate(output / "images.jsonl", whole.index(b"\n") + 40)  # what a kill leaves
    (output / "summary.json").unlink()
    (output / "report.html").unlink()
    assert execute(["report", str(output)]) == 0
    assert json.loads((output / "summary.json").read_text())["completed"] == 1
    assert "ramp" not in (output / "report.html").read_text().partition("<script>")[0]
    capsys.readouterr()
    assert execute(["--resume", "--output", str(output), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["completed"] == 3
    assert [record["picture"] for record in records(output)] == [0, 1, 2]


def test_resume_of_nothing_begins(blocks: str, pictures: Path, tmp_path: Path) -> None:
    assert execute(ideal(blocks, pictures, tmp_path / "run", "--resume")) == 0


def test_resume_refuses_another_run(
    blocks: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    assert execute(ideal(blocks, pictures, output)) == 0
    capsys.readouterr()
    assert execute(["--resume", "--output", str(output), "--snr", "3"]) == 2
    assert "was begun with snr: 10.0, not 3.0" in error_line(capsys)
    Image.new("RGB", (8, 8)).save(pictures / "new.png")
    assert execute(["--resume", "--output", str(output)]) == 2
    assert "the pictures are not those" in error_line(capsys)
    assert execute(["--resume", "--radio", "ideal", "--scheme", blocks]) == 2
    assert "--resume needs --output" in error_line(capsys)


def test_a_scheme_from_a_file_is_told_apart_from_what_the_file_becomes(
    own_file: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    assert execute(ideal(str(own_file), pictures, output)) == 0
    sha256 = hashlib.sha256(own_file.read_bytes()).hexdigest()[:8]
    manifest = json.loads((output / "run.json").read_text())
    assert (manifest["scheme"], manifest["scheme_sha256"]) == ("own", sha256)
    facts = f'<th scope="row">SHA-256 of its file</th><td>{sha256}</td>'
    assert facts in (output / "report.html").read_text()
    assert execute(["--resume", "--output", str(output)]) == 0
    own_file.write_text(own_file.read_text() + "# better\n")
    registry.unregister("own")  # as in another process
    capsys.readouterr()
    assert execute(["--resume", "--output", str(output)]) == 2
    assert f"the scheme's file is not what {output} was begun with ({sha256}," in error_line(capsys)
    del manifest["scheme_sha256"]  # a run from before it was written down
    (output / "run.json").write_text(json.dumps(manifest))
    assert execute(["--resume", "--output", str(output)]) == 0


def test_output_that_holds_a_run_is_refused(
    blocks: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ideal(blocks, pictures, tmp_path / "run")
    assert execute(arguments) == 0
    before = (tmp_path / "run" / "images.jsonl").read_bytes()
    capsys.readouterr()
    assert execute(arguments) == 2
    assert "holds a run already" in error_line(capsys)
    assert (tmp_path / "run" / "images.jsonl").read_bytes() == before


def test_default_output_is_numbered(
    blocks: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["--radio", "ideal", "--scheme", blocks, "--images", str(pictures)]
    assert execute(arguments) == execute(arguments) == 0
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert len(names) == 2
    assert names[0].endswith("-blocks-ideal")
    assert names[1] == f"{names[0]}-2"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--images", "nothing.png"], ["--images", "nothing.png"]),
        (["--images", "empty"], ["no pictures in empty"]),
        (["--images", "damaged.png"], ["cannot read picture damaged.png"]),
        (["--scheme", "adjsc"], ["no scheme 'adjsc'", "did you mean 'adjscc'"]),
        (["--preset", "plane"], ["no preset 'plane'", "did you mean 'plain'"]),
        (["--radio", "idea"], ["no radio 'idea'", "did you mean 'ideal'"]),
        (["--cbr", "0.4"], ["no weights of blocks for a CBR of 0.4", "plain (CBR 0.03125)"]),
        (["--snr", "61"], ["--snr 61", "-20 to 60"]),
        (["--snr", "nan"], ["--snr nan", "-20 to 60"]),
        (["--snr", "loud"], ["--snr", "valid"]),
        (["--snr"], ["--snr"]),
        (["--snrr", "3"], ["--snrr", "--snr"]),
        (["--erase-fragments", "2"], ["--erase-fragments 2.0", "0 to 1"]),
        (["--cfo", "3"], ["--cfo"]),
        (["--channel", "rayliegh"], ["--channel", "no channel 'rayliegh'", "awgn, rayleigh"]),
        (["--channel", "tdl-a", "--rician-k", "3"], ["--rician-k goes with channel rician"]),
        (
            ["--channel", "trace:none"],
            ["cannot read the channel trace", "none: No such file", "name an .npz file"],
        ),
        (["--channel", "trace:damaged.png"], ["damaged.png is no channel trace"]),
        (["--snr-trace", "rayliegh"], ["cannot read rayliegh", "rayleigh, rician or walk"]),
        (["--snr-trace", "damaged.png"], ["damaged.png is no text file"]),
        (["--trace-doppler", "0.1"], ["--trace-doppler goes with --snr-trace rayleigh or rician"]),
        (["--count", "0"], ["--count 0", "greater than or equal to 1"]),
        (["--record-iq"], ["--record-iq", "--radio loopback"]),
        (["--config", "typo.yaml"], ["typo.yaml: snrr", "did you mean `snr`"]),
        (["--config", "number.yaml"], ["no radio '5'"]),
        (["--resume=1"], ["--resume"]),
        (["--config", "missing.yaml"], ["cannot read missing.yaml"]),
        (["--output", "damaged.png/run"], ["cannot write to damaged.png", "another --output"]),
        (["--weights", "damaged.png"], ["damaged.png is corrupt"]),
        (["--weights", "foreign.safetensors"], ["foreign.safetensors is not of this project"]),
        (["--weights", "nowhere"], ["no weights file or folder nowhere"]),
        (["report", "empty"], ["empty holds no run"]),
        (["train", "missing.yaml"], ["missing.yaml"]),
        (["train", "typo.yaml"], ["typo.yaml"]),
        (["train", "recipe.yaml", "--accelerator", "abacus"], ["abacus", "cuda"]),
        (
            ["train", "recipe.yaml", "--accelerator", "cuda", "--devices", "99"],
            ["--devices 99", "CUDA devices here"],
        ),
        (["wibble"], ["wibble"]),
    ],
)
def test_mistakes_give_one_clear_line(
    arguments: list[str],
    words: list[str],
    blocks: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG no more")
    save_file({"layer": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    (tmp_path / "typo.yaml").write_text("snrr: 3\n")
    (tmp_path / "number.yaml").write_text("radio: 5\n")
    there = set(tmp_path.iterdir())
    by_file = arguments[0].isalpha() or "number.yaml" in arguments
    base = [] if by_file else ["--radio", "ideal", "--scheme", blocks]
    assert execute([*base, *arguments]) == 2
    line = error_line(capsys)
    for word in words:
        assert word in line
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {path for path in there if path.is_file()}
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_traceback_only_when_asked(
    blocks: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ideal(blocks, tmp_path / "nothing", tmp_path / "run")
    assert execute([*arguments, "-v"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_no_gnuradio_is_exit_3_and_ideal_does_not_need_it(tmp_path: Path) -> None:
    """In a process of its own that cannot import GNU Radio."""
    program = """if True:
        import sys
        sys.modules["gnuradio"] = None
        from ota_runner.cli import execute
        calls = (["--radio", "loopback"], ["--radio", "loopback", "--help"],
                 ["--radio", "ideal", "--output", "run", "--scheme", "linear", "--images", "a.png"])
        print([int(execute(call)) for call in calls])
        print([name for name in sys.modules if name.startswith("gnuradio.")])
        """
    Image.new("RGB", (24, 16), "teal").save(tmp_path / "a.png")
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    *_, codes, imported = ended.stdout.splitlines()
    assert json.loads(codes) == [3, 0, 0]
    assert imported == "[]"
    assert ended.stderr.count("\n") == 1
    assert "--radio loopback needs GNU Radio" in ended.stderr


def test_help_lists_the_radios_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["--radio", "ideal", "--help"]) == 0
    said = capsys.readouterr().out
    assert "--erase-fragments" in said
    assert "--scheme" in said
    assert execute([]) == 0
    assert "--scheme" in capsys.readouterr().out


def test_a_schemes_own_options_reach_its_codec(
    quantised: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for depth, output in ((8, tmp_path / "fine"), (3, tmp_path / "coarse")):
        assert execute(ideal(quantised, pictures, output, "--depth", str(depth))) == 0
        assert yaml.safe_load((output / "config.yaml").read_text())["depth"] == depth
        assert {record["label"]["rate"] for record in records(output)} == {depth}
    again = ["--config", str(tmp_path / "coarse" / "config.yaml"), "--level", "2.5"]
    assert execute([*again, "--output", str(tmp_path / "again")]) == 0
    stored = yaml.safe_load((tmp_path / "again" / "config.yaml").read_text())
    assert (stored["depth"], stored["level"]) == (3, 2.5)
    capsys.readouterr()
    assert execute(["--resume", "--output", str(tmp_path / "coarse")]) == 0
    assert execute(["--resume", "--output", str(tmp_path / "coarse"), "--depth", "4"]) == 2
    assert "was begun with depth: 3, not 4" in capsys.readouterr().err


def test_sections_of_bits_are_recorded(
    quantised: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    options = ["--depth", "5", "--level", "nan", "--snr", "20", "--json"]
    assert execute(ideal(quantised, pictures, output, *options)) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["digital"] == {
        "sections": 3,
        "failed": 0,
        "crc_false_passes": 0,
        "fallen_back": 0,
    }
    for record in records(output):
        [section] = record["digital"]
        bits = 5 * 3 * -(-record["height"] // 4) * -(-record["width"] // 4)
        assert section == {
            "mcs": "qpsk-conv-1/3",
            "efficiency": pytest.approx(2 / 3),
            "bits": bits,
            "ok": True,
            "valid_bits": bits,
            "wrong": False,
        }
        assert record["notes"] == {
            "quality": 5,
            "level": "nan",
            "told_db": 20,
        }  # JSON has no such number


@pytest.mark.parametrize(("holds", "false_passes"), [(False, 0), (True, 3)])
def test_sections_that_fail_are_counted(
    holds: bool,
    false_passes: int,
    quantised: str,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    receive = IdealLink.receive

    def flip(self: IdealLink, timeout_s: float = 60.0) -> Reception | None:
        reception = receive(self, timeout_s)
        assert reception is not None
        [section] = reception.sections
        assert isinstance(section, ReceivedDigital)
        bits = section.bits.copy()
        bits[-1] ^= 1
        return replace(reception, sections=(replace(section, bits=bits, ok=holds, valid_bits=9),))

    monkeypatch.setattr(IdealLink, "receive", flip)
    output = tmp_path / "run"
    assert execute(ideal(quantised, pictures, output, "--json")) == 0
    summary = json.loads(capsys.readouterr().out)
    failed = 3 - false_passes
    assert summary["digital"] == {
        "sections": 3,
        "failed": failed,
        "crc_false_passes": false_passes,
        "fallen_back": failed,
    }
    for record in records(output):
        assert record["digital"][0]["wrong"] is (True if holds else None)
        assert record["digital"][0]["valid_bits"] == 9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--depth", "9"], ["--depth 9", "1 to 8"]),
        (["--depth", "deep"], ["--depth", "valid integer"]),
        (["--dept", "3"], ["--dept", "--depth"]),
        (["--config", "typo.yaml"], ["typo.yaml: deepth", "did you mean `depth`"]),
    ],
)
def test_mistakes_in_a_schemes_options(
    arguments: list[str],
    words: list[str],
    quantised: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "typo.yaml").write_text("deepth: 3\n")
    assert execute(["--radio", "ideal", "--scheme", quantised, *arguments]) == 2
    line = error_line(capsys)
    for word in words:
        assert word in line
    assert not (tmp_path / "runs").exists()


def test_options_of_another_scheme_are_unknown(
    blocks: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(ideal(blocks, pictures, tmp_path / "run", "--depth", "3")) == 2
    assert "--depth" in error_line(capsys)


@pytest.mark.parametrize(
    ("field", "owner"),
    [("seed", "every run"), ("erase_fragments", "--radio ideal"), ("resume", "every call")],
)
def test_a_scheme_with_options_that_are_taken_is_refused(
    field: str, owner: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = create_model("Taken", **{field: (int, 0)})  # type: ignore[call-overload]
    registry.register("taken", 202, _never_opened, options=model)
    try:
        assert execute(["--radio", "ideal", "--scheme", "taken"]) == 2
    finally:
        registry.unregister("taken")
    assert f"brings an option `{field}`, which {owner} has already" in error_line(capsys)


def _never_opened(preset: registry.PresetInfo, weights: Path | None) -> Codec:
    raise AssertionError("nothing is opened before the options are known to be good")


def test_every_option_of_the_call_is_reserved() -> None:
    assert {parameter.name for parameter in cli._INVOCATION} <= set(OF_THE_CALL)


def test_a_bound_runs_on_no_waveform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    dish = RadioChoice("dish", IdealOptions, _open_nothing)
    monkeypatch.setattr(choice, "choose_radio", lambda name: dish)
    registry.register("bound", 202, _never_opened, bound=True)
    try:
        assert execute(["--radio", "dish", "--scheme", "bound"]) == 2
    finally:
        registry.unregister("bound")
    line = error_line(capsys)
    assert "--scheme bound is a bound" in line
    assert "use --radio ideal" in line
    assert list(tmp_path.iterdir()) == []


def _open_nothing(options: BaseModel, plan: LinkPlan) -> OpenRadio:
    raise AssertionError("no radio is opened for a bound")


def test_help_lists_the_schemes_own_options(
    quantised: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["--radio", "ideal", "--scheme", quantised, "--help"]) == 0
    said = capsys.readouterr().out
    assert "Options of --scheme quantised" in said
    assert "--depth" in said
    assert "--erase-fragments" in said


def test_schemes_as_json(blocks: str, quantised: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["schemes", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["format"] == 1
    found = {scheme["name"]: scheme for scheme in listed["schemes"]}
    assert found[blocks]["presets"][0]["cbr"] == 1 / 32
    assert found[blocks]["options"] == {}
    assert found[quantised]["options"]["depth"] == "bits a value, 1 to 8"
    assert execute(["schemes"]) == 0
    assert "block" in capsys.readouterr().out


def test_schemes_say_which_programs_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> dict[str, str | None]:
        assert execute(["schemes", "--json"]) == 0
        listed = json.loads(capsys.readouterr().out)["schemes"]
        presets = [preset for scheme in listed for preset in scheme["presets"]]
        return {f"{preset['scheme']} {preset['name']}": preset["missing"] for preset in presets}

    monkeypatch.setenv("PATH", str(tmp_path))
    found = missing()
    assert (found["bpg+ldpc x265"], found["adjscc photo-small"]) == (None, None)
    assert "https://bellard.org/bpg" in str(found["bpg+ldpc libbpg"])
    assert "make install-release" in str(found["vvc+capacity vvc"])
    assert execute(["schemes"]) == 0
    table = capsys.readouterr().out
    assert table.count("not") == 4
    assert "bpg+ldpc libbpg, bpg+capacity libbpg: install bpgenc and bpgdec" in table
    for program in ("vvencapp", "vvdecapp"):
        (tmp_path / program).touch(0o755)
    assert missing()["vvc+ldpc vvc"] is None
    assert execute(["schemes"]) == 0
    assert "vvencapp" not in capsys.readouterr().out


def test_what_sends_no_pictures_imports_no_torch(tmp_path: Path) -> None:
    calls = [["--help"], ["--radio", "ideal", "--help"], ["schemes"], ["report", str(tmp_path)]]
    script = (
        "import sys; from ota_runner.cli import execute; "
        f"codes = [execute(words) for words in {calls!r}]; "
        "sys.exit(codes != [0, 0, 0, 2] or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_choice_in_hindsight_is_refused_before_anything_is_sent(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    words = ["--radio", "ideal", "--scheme", "jpeg+ldpc", "--mcs", "hindsight"]
    assert execute([*words, "--images", str(pictures), "--output", str(output)]) == 2
    assert "use it in a sweep" in capsys.readouterr().err
    assert not output.exists()
