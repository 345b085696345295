# SPDX-License-Identifier: GPL-3.0-or-later
"""The instruments that measure the waveform are right, and write what they say."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.bursts import gaussian
from benchmarks.waveform import __main__ as program
from benchmarks.waveform.bounds import (
    aligned_channel_error,
    channel_error,
    echo_matrix,
    looks,
    snr_spread_db,
)
from benchmarks.waveform.channel_estimate import align
from benchmarks.waveform.detection import starts_to_lose_db
from benchmarks.waveform.drawing import draw
from benchmarks.waveform.measurement import Effort, Goal, Measurement
from benchmarks.waveform.page import put_section, section
from semcom_phy.numerology import NARROW

CARRIERS = np.asarray(NARROW.active_carriers, np.float64)
ECHOES = echo_matrix(NARROW, np.arange(5.0))
COUNTS = looks(NARROW, 128)
NOISE_VAR = 0.5


def _least_squares(
    channel: np.ndarray, trials: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Likeliest channels ``[trials, carriers]`` and unbiased noise ``[trials]``."""
    root = np.sqrt(COUNTS)
    # The mean of a carrier's cells, and what the cells scatter about it.
    mean = channel + np.sqrt(NOISE_VAR) * gaussian((trials, channel.size), rng) / root
    inside = COUNTS.sum() - channel.size
    scatter = NOISE_VAR * rng.gamma(inside, size=trials)
    gains = np.linalg.lstsq(root[:, None] * ECHOES, (root * mean).T, rcond=None)[0]
    fitted = (ECHOES @ gains).T
    scatter += np.sum(COUNTS * np.abs(mean - fitted) ** 2, axis=1)
    return fitted, scatter / (COUNTS.sum() - ECHOES.shape[1])


def test_the_likeliest_estimates_reach_the_bounds() -> None:
    rng = np.random.default_rng(1)
    gains = gaussian((5,), rng).astype(np.complex128)
    channel = ECHOES @ gains
    fitted, noise_var = _least_squares(channel, 4000, rng)
    error = np.mean(np.abs(fitted - channel) ** 2)
    assert error == pytest.approx(channel_error(ECHOES, COUNTS, NOISE_VAR), rel=0.03)
    aligned = np.array([align(estimate, channel, CARRIERS) for estimate in fitted[:1500]])
    bound = aligned_channel_error(ECHOES, channel, COUNTS, NOISE_VAR, CARRIERS)
    assert np.mean(np.abs(aligned - channel) ** 2) == pytest.approx(bound, rel=0.04)
    assert bound < 0.85 * error
    share = ECHOES.shape[1] / COUNTS.sum()
    power = np.mean(np.abs(fitted) ** 2, axis=1) - noise_var * share
    spread = np.std(10 * np.log10(power / noise_var))
    expected = snr_spread_db(ECHOES, gains, COUNTS, NOISE_VAR)
    assert spread == pytest.approx(expected, rel=0.04)


def test_with_as_many_looks_everywhere_the_bound_is_the_known_one() -> None:
    counts = np.full(CARRIERS.size, 20.0)
    flat = echo_matrix(NARROW, np.zeros(1))
    spread = snr_spread_db(flat, np.ones(1, np.complex128), counts, 0.1)
    assert spread == pytest.approx(10 / np.log(10) * np.sqrt((2 / 10 + 1) / 2000))


def test_phase_and_delay_are_no_errors_but_all_else_is() -> None:
    rng = np.random.default_rng(2)
    channel = ECHOES @ gaussian((5,), rng)
    turned = channel * np.exp(1j * (2.5 - 0.3 * CARRIERS))
    np.testing.assert_allclose(align(turned, channel, CARRIERS), channel, atol=1e-6)
    louder = align(1.1 * turned, channel, CARRIERS)
    np.testing.assert_allclose(louder, 1.1 * channel, atol=1e-6)


def test_where_losses_begin() -> None:
    assert starts_to_lose_db((0, 1, 2, 3), (1.0, 0.02, 0.0, 0.0)) == pytest.approx(1.5)
    for shares in ((0.0, 0.0), (1.0, 0.5)):
        with pytest.raises(ValueError, match="do not cross"):
            starts_to_lose_db((0, 1), shares)


EXAMPLE = Measurement(
    title="Example",
    method="Made up.",
    x_label="SNR (dB)",
    y_label="share",
    x=[0.0, 10.0],
    curves={"measured": [0.5, None], "bound": [0.25, 0.0]},
    bounds={"bound"},
    goals=[Goal("low", 0.5, 0.4, "dB"), Goal("high", 0.5, 0.4, "dB", at_least=True)],
    log_y=True,
)


def test_a_section_shows_goals_that_are_missed_and_takes_its_place() -> None:
    text = section("example", EXAMPLE, "waveform/example.svg")
    assert "| low | 0.5 dB | at most 0.4 dB | **not met** |" in text
    assert "| high | 0.5 dB | at least 0.4 dB | met |" in text
    assert "| 10 |  | 0 |" in text
    page = "a\n<!-- example -->\nold\n<!-- /example -->\nb\n"
    put = put_section(page, "example", text)
    assert put == f"a\n<!-- example -->\n{text}\n<!-- /example -->\nb\n"
    assert put_section(put, "example", text) == put
    with pytest.raises(ValueError, match="<!-- other -->"):
        put_section(page, "other", text)


def test_a_drawing_is_the_same_again_and_shows_every_curve() -> None:
    svg = draw(EXAMPLE)
    assert draw(EXAMPLE) == svg
    assert draw(replace(EXAMPLE, curves={"measured": [0.5, 0.4]})) != svg
    for label in EXAMPLE.curves:
        assert f"<!-- {label} -->" in svg


def test_effort_scales_trials() -> None:
    assert Effort().trials(400) == 400
    assert Effort(0.02).trials(400, least=20) == 20


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["benchmarks.waveform", *words])
    return program.main()


def test_a_quick_measurement_writes_figure_table_and_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--only", "clock_offset", "--quick", "--output", str(tmp_path))
    assert run(monkeypatch, *words) == 0
    assert "narrow: frames lost: 0" in capsys.readouterr().out
    rows = (tmp_path / "clock_offset.csv").read_text().splitlines()
    assert rows[0] == "clock offset (ppm),narrow,wide"
    assert len(rows) == 10
    assert max(float(cell) for row in rows[1:] for cell in row.split(",")[1:]) < 0.5
    assert "clock_offset.svg" in (tmp_path / "clock_offset.md").read_text()
    assert (tmp_path / "clock_offset.svg").read_text().startswith("<?xml")


def test_quick_figures_do_not_get_into_the_docs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, "--quick")
    assert "--output" in capsys.readouterr().err


def test_the_page_has_a_place_for_every_measurement() -> None:
    page = (program.DOCS / "waveform.md").read_text()
    for name in program.MEASUREMENTS:
        put_section(page, name, "")
