# SPDX-License-Identifier: GPL-3.0-or-later
"""The transmitter's limit and what a radio without samples says of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ota_runner.cli import execute


def test_clipping_lowers_peaks_and_costs_signal_to_noise_ratio(
    tmp_path: Path, pictures: Path, blocks: str
) -> None:
    peaks, snrs = [], []
    for name, options in (("as it is", []), ("limited", ["--clipping", "3"])):
        run = tmp_path / name
        words = ["--radio", "loopback", "--scheme", blocks, "--images", str(pictures)]
        words += ["--snr", "30", "--count", "1", "--record-iq", "--output", str(run), *options]
        assert execute(words) == 0
        sent = np.fromfile(next(run.glob("iq/sent-0.sigmf-data")), np.complex64)
        power = np.abs(sent[sent != 0]) ** 2
        peaks.append(10 * np.log10(np.quantile(power, 0.999) / power.mean()))
        snrs.append(json.loads((run / "summary.json").read_text())["snr_db"]["estimated_mean"])
    assert peaks[1] < peaks[0] - 2
    assert snrs[0] == pytest.approx(30, abs=1)
    assert snrs[1] < 25


def test_a_radio_without_samples_refuses_it(
    tmp_path: Path, pictures: Path, blocks: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["--radio", "ideal", "--scheme", blocks, "--images", str(pictures)]
    assert execute([*run, "--output", str(tmp_path / "run"), "--clipping", "5"]) == 2
    assert "--clipping: --radio ideal has no samples" in capsys.readouterr().err
