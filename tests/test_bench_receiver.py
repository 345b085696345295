# SPDX-License-Identifier: GPL-3.0-or-later
"""The instruments that time the modem measure what they say; how fast it is, is not tested."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks import receiver as bench
from benchmarks.bare_receiver import receive_bare
from benchmarks.bursts import random_frames, stream, with_noise
from benchmarks.peer import PEERS, run_peer
from benchmarks.result import Result
from semcom_phy.numerology import NARROW, WIDE, Numerology
from semcom_phy.preamble import scrambling_signs


@pytest.mark.parametrize("numerology", [NARROW, WIDE], ids=["narrow", "wide"])
def test_the_bare_receiver_receives(numerology: Numerology) -> None:
    rng = np.random.default_rng(2)
    frames, gap = random_frames(4, numerology.fragment_capacity, rng), 500
    samples = with_noise(stream(frames, numerology, gap), 25.0, rng)[0]
    samples *= np.exp(2j * np.pi * 1e-4 * np.arange(samples.size)).astype(np.complex64)
    starts, cells = receive_bare(samples, numerology.fragment_symbols, numerology)
    period = numerology.frame_samples(numerology.fragment_capacity) + gap
    np.testing.assert_allclose(starts, gap + period * np.arange(4), atol=3)
    received = cells.reshape(4, -1) * scrambling_signs(numerology)[0]
    sent = np.stack([frame.payload[0] for frame in frames])
    # Two training symbols' noise is half of a cell's: 1.8 dB.
    assert 1.4 < 10 * np.log10(np.mean(np.abs(received - sent) ** 2)) + 25 < 3


def test_speeds_at_unlike_rates_of_detection_are_not_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("gnuradio.gr", reason="GNU Radio is not installed")
    printed = {"release": "3", "packets": 100, "samples": 10, "cpu_s": 2.0, "source_cpu_s": 1.0}
    monkeypatch.setattr(bench, "FRAMES", 3)
    for arrived, compared in ((100, True), (98, False)):
        monkeypatch.setattr(bench, "run_peer", lambda _, n=arrived: printed | {"arrived": n})
        if compared:
            result = bench.receiver(1)
            assert isinstance(result, Result)
            assert result.details["arrived"] == 1.0
            assert result.theirs == pytest.approx(1e-5)
        else:
            with pytest.raises(RuntimeError, match=r"98\.0% of gr-digital"):
                bench.receiver(1)


def test_gr_digital_runs_and_loses_what_is_too_weak() -> None:
    pytest.importorskip("gnuradio.gr", reason="GNU Radio is not installed")
    command = [sys.executable, str(PEERS / "gr_digital_ofdm.py"), "--bytes", "96"]
    command += ["--packets", "20"]
    received = run_peer([*command, "receive"])
    assert received["arrived"] == received["packets"] == 20
    assert received["cpu_s"] > received["source_cpu_s"] > 0
    assert run_peer([*command, "loss", "--snr", "0", "30"])["lost"] == [20, 0]
