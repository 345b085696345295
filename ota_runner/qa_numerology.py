# SPDX-License-Identifier: GPL-3.0-or-later
"""The waveform of a run: presets, files, mappings, antennas, and one line for each mistake."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from ota_runner.cli import execute
from ota_runner.config import Layer, Settings, resolve, resolve_numerology
from ota_runner.errors import UsageError
from ota_runner.numerology import numerology_label, numerology_options, read_numerology
from semcom_phy.numerology import NARROW, WIDE, Numerology, evenly_spaced_pilots


class Dish(BaseModel):
    """A made-up radio without options."""

    model_config = ConfigDict(extra="forbid")


def settings(**values: Any) -> Settings:
    return resolve([Layer(None, values)], Dish)


def numerology(**values: Any) -> Numerology:
    return resolve_numerology(settings(**values).run)


def test_presets_and_antennas() -> None:
    assert numerology() == NARROW
    assert numerology(numerology="wide") == WIDE
    assert numerology(antennas="1x2") == replace(NARROW, rx_antennas=2)
    assert numerology(antennas="2x1", numerology="wide") == replace(WIDE, tx_antennas=2)


def test_a_file_changes_what_it_names_and_takes_the_rest_from_its_base(tmp_path: Path) -> None:
    path = tmp_path / "indoor.yaml"
    path.write_text("base: wide\ncyclic-prefix: 32\npilots: 8\nsample_rate: 10e6\n")
    assert numerology(numerology=str(path)) == replace(
        WIDE,
        name="indoor",
        cyclic_prefix=32,
        pilot_carriers=evenly_spaced_pilots(100, 8),
        sample_rate=10e6,
    )


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "gr-semcom/docs/waveform-options.md").read_text()
    path = tmp_path / "indoor.yaml"
    path.write_text(page.partition("```yaml")[2].partition("```")[0])
    assert numerology(numerology=str(path), antennas="1x2") == replace(
        WIDE,
        name="indoor",
        cyclic_prefix=32,
        pilot_carriers=evenly_spaced_pilots(100, 24),
        max_cfo_hz=800e3,
        rx_antennas=2,
    )


def test_a_mapping_is_taken_like_a_file() -> None:
    given = {"pilot_carriers": [-7, 7], "half_width": 12, "fft_size": 64, "name": "tiny"}
    assert numerology(numerology=given) == replace(
        NARROW, name="tiny", half_width=12, fft_size=64, pilot_carriers=(-7, 7)
    )
    assert numerology(numerology={}) == replace(NARROW, name="custom")


def test_pilots_spread_over_the_carriers_there_are() -> None:
    assert read_numerology({"half_width": 40}).pilot_carriers == evenly_spaced_pilots(40, 8)
    assert read_numerology({"base": "wide"}).pilot_carriers == WIDE.pilot_carriers


def test_every_number_of_the_waveform_can_be_given_and_is_written() -> None:
    written = numerology_options(WIDE)
    assert {*written} == {field.name for field in fields(Numerology)} - {
        "tx_antennas",
        "rx_antennas",
    }
    assert read_numerology(written) == WIDE


@pytest.mark.parametrize("asked", ["narrow", "wide", {"base": "wide", "fft_size": 512}])
def test_resolved_options_give_the_same_waveform_again(asked: Any) -> None:
    once = settings(numerology=asked, antennas="2x2")
    mapping = once.as_mapping()
    again = resolve([Layer("config.yaml", mapping)], Dish)
    assert resolve_numerology(again.run) == resolve_numerology(once.run)
    assert again.as_mapping() == mapping


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("huge", "--numerology 'huge': there is no such preset"),
        (3, "a name is expected"),
        (["narrow"], "a name is expected"),
        ({"fft_siz": 64}, "did you mean `fft_size`?"),
        ({3: 4}, "`3` is no option here"),
        ({"fft_size": "many"}, "fft_size 'many': input should be a valid integer"),
        ({"fft_size": 100000}, "choose 32 to 8192"),
        ({"sample_rate": float("nan")}, "sample_rate nan"),
        ({"pilots": 7}, "choose an even number from 2 to 100"),
        ({"pilots": 8, "pilot_carriers": [-1, 1]}, "exclude each other"),
        ({"pilot_carriers": [1, "a"]}, r"pilot_carriers\.1 'a'"),
        ({"base": "medium"}, "choose one of: narrow, wide"),
        ({"tx_antennas": 2}, "use --antennas 2x1"),
    ],
)
def test_mistakes_give_one_clear_line(asked: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        settings(numerology=asked)
    assert "\n" not in str(caught.value)


def test_mistakes_in_a_file_name_it(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("training_symbols: 4\n")
    with pytest.raises(UsageError, match=r"broken\.yaml': .*choose 3, 5, 7, 9 or 11"):
        settings(numerology=str(path))
    path.write_text("- 3\n")
    with pytest.raises(UsageError, match=r"broken\.yaml must hold options.*cyclic_prefix: 32"):
        settings(numerology=str(path))


def test_antennas_that_the_waveform_has_no_room_for() -> None:
    long_prefix = {"cyclic_prefix": 64, "name": "echoes"}
    assert numerology(numerology=long_prefix, antennas="1x2").rx_antennas == 2
    with pytest.raises(UsageError, match=r"'echoes': cyclic_prefix is 64, .*tx_antennas\) = 32"):
        settings(numerology=long_prefix, antennas="2x1")
    with pytest.raises(UsageError, match="--antennas '3x1'"):
        settings(antennas="3x1")


def test_labels_tell_waveforms_apart() -> None:
    first, second = (read_numerology({"cyclic_prefix": n}) for n in (20, 24))
    labels = {numerology_label(numerology_options(one)) for one in (NARROW, WIDE, first, second)}
    assert {"narrow", "wide"} < labels
    assert len(labels) == 4
    pretender = numerology_options(replace(WIDE, name="narrow"))
    assert numerology_label(pretender) not in labels


def test_a_channel_beyond_the_waveform_is_told_and_measured(
    tmp_path: Path, pictures: Path, blocks: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = [
        *("--radio", "loopback", "--scheme", blocks, "--images", str(pictures), "--count", "1"),
        *("--channel", "tdl-e", "--delay-spread", "1e-6", "--output", str(tmp_path / "run")),
    ]
    assert execute(run) == 0
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("ota_runner: --radio loopback: echoes come over 20.7 us, of which")


@pytest.mark.parametrize("antennas", ["1x2", "2x1", "2x2"])
def test_a_run_over_several_antennas_goes_on_only_as_it_was_begun(
    antennas: str,
    tmp_path: Path,
    pictures: Path,
    blocks: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = [
        *("--radio", "loopback", "--scheme", blocks, "--images", str(pictures), "--snr", "20"),
        *("--antennas", antennas, "--output", str(tmp_path / "run"), "--count", "1", "--resume"),
    ]
    assert execute(run) == 0
    assert execute([*run, "--numerology", "wide"]) == 2
    assert "was begun with numerology: narrow, not wide" in capsys.readouterr().err
    assert execute([*run, "--antennas", "1x1"]) == 2
    assert f"was begun with antennas: {antennas}, not 1x1" in capsys.readouterr().err
    assert "<td>narrow</td>" in (tmp_path / "run" / "report.html").read_text()
