# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of many kinds are read; those that cannot be played are refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sigmf
from gnuradio.semcom.recorded_samples import (
    RecordedSamples,
    UnreadableRecording,
    recording_files,
)

from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import NARROW, Numerology

PAIR = replace(NARROW, rx_antennas=2)
VALUES = np.array([0.5 - 0.25j, -1.0 + 0.75j, 0.125 + 0j], np.complex64)


def write(
    folder: Path,
    datatype: str,
    values: ComplexArray = VALUES,
    fields: dict[str, Any] | None = None,
    name: str = "received-0",
    annotations: list[dict[str, Any]] | None = None,
) -> Path:
    """A recording; of ``[n, antennas]`` values an interleaved one."""
    kind = sigmf.sigmffile.dtype_info(datatype)["component_dtype"]
    parts = np.stack([values.real, values.imag], axis=-1).astype(np.float64)
    if kind.kind in "iu":
        half = 1 << 8 * kind.itemsize - 1
        parts = np.clip(parts * half, -half, half - 1) + (half if kind.kind == "u" else 0)
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.sigmf-data").write_bytes(parts.astype(kind).tobytes())
    told = {"core:datatype": datatype, "core:version": "1.2.0", "core:sample_rate": 1e6}
    told |= fields or {}
    metadata = {
        "global": {key: value for key, value in told.items() if value is not None},
        "captures": [{"core:sample_start": 0}],
        "annotations": annotations or [],
    }
    path = folder / f"{name}.sigmf-meta"
    path.write_text(json.dumps(metadata))
    return path


@pytest.mark.parametrize(
    "datatype",
    ["cf32_le", "cf32_be", "cf64_le", "ci16_le", "ci16_be", "ci32_le", "ci8", "cu8", "cu16_be"],
)
def test_complex_samples_of_every_kind_are_read(datatype: str, tmp_path: Path) -> None:
    samples = RecordedSamples([write(tmp_path, datatype)], NARROW)
    assert samples.length == 3
    read = samples.read(range(3))
    assert read.dtype == np.complex64
    assert np.allclose(read, VALUES[None], atol=1e-6)
    assert np.allclose(samples.read(range(1, 2)), VALUES[None, 1:2], atol=1e-6)


@pytest.mark.parametrize("datatype", ["cf32_le", "ci16_le"])
def test_antennas_may_be_interleaved(datatype: str, tmp_path: Path) -> None:
    both = np.stack([VALUES, VALUES[::-1]], axis=1)
    path = write(tmp_path, datatype, both, {"core:num_channels": 2})
    assert np.allclose(RecordedSamples([path], PAIR).read(range(3)), both.T, atol=1e-4)


def test_antennas_of_different_lengths_are_cut_to_the_shorter(tmp_path: Path) -> None:
    write(tmp_path, "cf32_le")
    write(tmp_path, "cf32_le", VALUES[:2], name="received-1")
    [files] = recording_files(tmp_path)
    samples = RecordedSamples(files, PAIR)
    assert samples.length == 2
    assert samples.read(range(2)).shape == (2, 2)


def test_pictures_are_found_as_far_as_samples_go(tmp_path: Path) -> None:
    annotations: list[dict[str, Any]] = [
        {"core:sample_start": 0, "core:sample_count": 1, "semcom:picture": 4},
        {"core:sample_start": 1, "core:sample_count": 1, "core:label": "not ours"},
        {"core:sample_start": 1, "core:sample_count": 500, "semcom:picture": 5},
        {"core:sample_start": 900, "core:sample_count": 500, "semcom:picture": 6},
    ]
    samples = RecordedSamples([write(tmp_path, "cf32_le", annotations=annotations)], NARROW)
    assert samples.pictures == {4: range(1), 5: range(1, 3), 6: range(3, 3)}
    assert len(samples.rest) == 0
    cut = RecordedSamples([write(tmp_path, "cf32_le", annotations=annotations[:1])], NARROW)
    assert cut.rest == range(1, 3)


def test_a_recording_of_many_parts_is_found(tmp_path: Path) -> None:
    paths = [write(tmp_path, "cf32_le"), write(tmp_path, "cf32_le", name="received-1")]
    write(tmp_path, "cf32_le", name="sent-0")
    later = [write(tmp_path / f"part-{part}", "cf32_le") for part in (2, 3, 10)]
    assert recording_files(tmp_path) == [paths, *([path] for path in later)]
    assert recording_files(later[0]) == [[later[0]]]
    (tmp_path / "others").mkdir()
    found = write(tmp_path / "others", "cf32_le", name="capture")
    assert recording_files(tmp_path / "others") == [[found]]


def _damaged(folder: Path) -> Path:
    path = write(folder, "cf32_le", fields={"core:sha512": "0" * 128})
    assert path.exists()
    return path


def _without_samples(folder: Path) -> Path:
    note = {"core:sample_start": 0, "core:sample_count": 9}
    path = write(folder, "cf32_le", annotations=[note])
    path.with_suffix(".sigmf-data").unlink()
    return path


def _text(content: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = write(folder, "cf32_le")
        path.write_text(content)
        return path

    return make


def _of(datatype: str, values: ComplexArray = VALUES, **core: Any) -> Callable[[Path], Path]:
    fields = {f"core:{key}": value for key, value in core.items()}
    return lambda folder: write(folder, datatype, values, fields)


def _waveform(numerology: Numerology) -> Callable[[Path], Path]:
    fields = {"semcom:numerology": asdict(numerology)}
    return lambda folder: write(folder, "cf32_le", fields=fields)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_without_samples, "has no samples"),
        (_damaged, "not those that were recorded"),
        (_text("{"), "cannot be read as SigMF"),
        (_text("[]"), "cannot be read as SigMF"),
        (_text('{"global": {}, "captures": []}'), "SigMF"),
        (_text('{"global": {"core:datatype": "cf32_le"}, "annotations": []}'), "SigMF"),
        (_of("cf32_le", VALUES[:0]), "SigMF|no samples"),
        (_of("rf32_le"), "real samples"),
        (_of("cf32_le", sample_rate=2e6), "2e.06 samples a second, not 1e.06"),
        (_of("cf32_le", sample_rate=None), "no sample rate"),
        (_of("cf32_le", sample_rate="fast"), "is no SigMF recording"),
        (_of("cf32_le", np.stack([VALUES] * 2, 1), num_channels=2), "2 receive"),
        (_waveform(replace(NARROW, spreading="dft")), "spreading dft, not none.*--numerology"),
        (_waveform(PAIR), "rx_antennas 2, not 1.*--antennas"),
    ],
)
def test_what_cannot_be_played_is_refused(
    make: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UnreadableRecording, match=message) as error:
        RecordedSamples([make(tmp_path)], NARROW)
    assert "\n" not in str(error.value)


def test_a_place_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableRecording, match=r"there is no .*nowhere"):
        recording_files(tmp_path / "nowhere")
    with pytest.raises(UnreadableRecording, match="holds no SigMF recording"):
        recording_files(tmp_path)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    with pytest.raises(UnreadableRecording, match="cannot be read"):
        RecordedSamples([tmp_path / "picture.png"], NARROW)
