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
    ended = bench("--repeats", "1", "--output", str(file))
    assert ended.returncode == 0, ended.stderr
    document = json.loads(file.read_text())
    assert document["format"] == 1
    assert document["machine"]["cores"] >= 1
    results = {result["name"]: result for result in document["results"]}
    assert set(results) == {"modem_kodak_cpu_s", "codec_kodak_s"}
    for result in results.values():
        assert result["name"] in ended.stdout
        assert result["ours"] > 0
        assert sum(result["parts"].values()) == pytest.approx(result["ours"], rel=1e-3)


def test_bad_usage_of_the_bench_is_one_line() -> None:
    ended = bench("--repeats", "0")
    assert ended.returncode == 2
    assert "--repeats is 0" in ended.stderr
