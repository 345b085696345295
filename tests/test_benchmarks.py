# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench`` writes what readers of ``bench.json`` rely on; how fast it is, is not tested."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=250, check=False, cwd=ROOT
    )


def test_bench_json_has_every_figure_and_its_parts(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    # All but the one that would install its peer.
    names = ("modem_kodak_cpu_s", "codec_kodak_s", "bpg_ldpc_kodak_s", "ldpc_decoder_gr_fec")
    ended = bench("--only", *names, "--repeats", "1", "--output", str(file))
    assert ended.returncode == 0, ended.stderr
    document = json.loads(file.read_text())
    assert document["format"] == 1
    assert document["machine"]["cores"] >= 1
    results = {result["name"]: result for result in document["results"]}
    assert set(results) == {*names[:3], "ldpc_decoder"}
    for result in results.values():
        assert result["name"] in ended.stdout
        assert result["ours"] > 0
        if "parts" in result:
            assert sum(result["parts"].values()) == pytest.approx(result["ours"], rel=1e-3)
        else:
            assert result["peer"] in ended.stdout
            assert result["ratio"] == pytest.approx(result["ours"] / result["theirs"], rel=1e-3)


def test_a_peer_that_cannot_be_installed_is_one_line_and_no_failure(tmp_path: Path) -> None:
    program = (
        "import sys, benchmarks.ldpc, benchmarks.__main__\n"
        "benchmarks.ldpc.SET_UP = '/bin/false'\n"
        "sys.exit(benchmarks.__main__.main())"
    )
    file = tmp_path / "bench.json"
    ended = subprocess.run(
        [sys.executable, "-c", program, "--only", "ldpc_decoder_sionna", "--output", str(file)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        cwd=ROOT,
    )
    assert ended.returncode == 0, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert line.startswith("ldpc_decoder_sionna left out: Sionna cannot be installed here")
    assert json.loads(file.read_text())["results"] == []


def test_bad_usage_of_the_bench_is_one_line() -> None:
    ended = bench("--repeats", "0")
    assert ended.returncode == 2
    assert "--repeats is 0" in ended.stderr
