# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading SigMF recordings, ours and those of others, antenna by antenna."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import sigmf
from jsonschema import ValidationError
from sigmf.error import SigMFError

from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import Numerology


class UnreadableRecording(ValueError):
    """Files that are no recording of what is asked for; the message is one line for the user."""


class RecordedSamples:
    """What all antennas received at one time, mapped into memory.

    Args:
        files: SigMF recordings, an antenna each or several interleaved, in order.
        numerology: sample rate, antennas and, where a recording says it, the waveform.

    Attributes:
        length: samples an antenna.
        pictures: which samples belong to a picture, by its number, as far as is written down.

    Raises:
        UnreadableRecording: not SigMF, no complex samples, samples that are not those that were
            recorded, another rate, number of antennas or waveform.
    """

    def __init__(self, files: Sequence[Path], numerology: Numerology) -> None:
        self._files = [_open(path) for path in files]
        for path, file in zip(files, self._files, strict=True):
            _require_waveform(path, file, numerology)
        antennas = sum(file.num_channels for file in self._files)
        if antennas != numerology.rx_antennas:
            raise UnreadableRecording(
                f"{files[0].parent} is of {antennas} receive antennas, not "
                f"{numerology.rx_antennas}: "
                "give the --antennas of the recording"
            )
        # A recording cut short has as many samples of each as were written.
        self.length = min(file.sample_count for file in self._files)
        self.pictures = _pictures(self._files[0], self.length)

    @property
    def rest(self) -> range:
        """The samples behind those of all pictures that are written down."""
        return range(max((span.stop for span in self.pictures.values()), default=0), self.length)

    def read(self, span: range) -> ComplexArray:
        """Samples ``[rx, n]``, integers scaled to full scale one."""
        rows = [np.atleast_2d(file[span.start : span.stop].T) for file in self._files]
        return np.concatenate(rows).astype(np.complex64)


def recording_files(place: Path) -> list[list[Path]]:
    """The files of a recording, the antennas of each of its parts.

    Args:
        place: a SigMF file, or a folder of them: ``received-0.sigmf-meta`` and so on of our own
            recordings, with ``part-2`` and so on of a run that was gone on with; else all.

    Raises:
        UnreadableRecording: there are none.
    """
    if place.is_file():
        return [[place]]
    if not place.is_dir():
        raise UnreadableRecording(f"there is no {place}: name the folder of a recording")
    own = sorted(place.glob("received-*.sigmf-meta"))
    if not own and not (own := sorted(place.glob("*.sigmf-meta"))):
        raise UnreadableRecording(
            f"{place} holds no SigMF recording: name the folder iq of a run made with --record-iq"
        )
    later = sorted(place.glob("part-*"), key=lambda part: (len(part.name), part.name))
    parts = [sorted(part.glob("received-*.sigmf-meta")) for part in later]
    return [own, *(part for part in parts if part)]


def _open(path: Path) -> sigmf.SigMFFile:
    file = _read(path)
    is_one = isinstance(file, sigmf.SigMFFile)
    if not is_one or (file.data_file or file.data_buffer) is None or not file.sample_count:
        raise UnreadableRecording(f"{path} has no samples")
    if not file.is_complex_data:
        raise UnreadableRecording(f"{path} has real samples ({file.datatype}), not complex ones")
    if file.get_global_field("core:sha512") is not None:
        try:
            file.calculate_hash()
        except SigMFError as error:
            raise UnreadableRecording(
                f"{path}: the samples are not those that were recorded, their SHA-512 differs"
            ) from error
    return file


def _read(path: Path) -> Any:
    """Whatever SigMF has in a file, valid, but not compared with its hash."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a recording that was cut short ends within a picture
            file = sigmf.fromfile(str(path), skip_checksum=True)
            file.validate()
    except ValidationError as error:
        raise UnreadableRecording(f"{path} is no SigMF recording: {error.message}") from error
    except (SigMFError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableRecording(f"{path} cannot be read as SigMF: {error}") from error
    return file


def _require_waveform(path: Path, file: sigmf.SigMFFile, numerology: Numerology) -> None:
    rate = file.get_global_field("core:sample_rate")
    if rate != numerology.sample_rate:
        told = "no sample rate" if rate is None else f"{rate:g} samples a second"
        raise UnreadableRecording(
            f"{path} is of {told}, not {numerology.sample_rate:g}: give its --numerology or --rate"
        )
    recorded = file.get_global_field("semcom:numerology")
    if not isinstance(recorded, dict):
        return
    for key, value in json.loads(json.dumps(asdict(numerology))).items():
        if key != "name" and recorded.get(key, value) != value:
            option = "--antennas" if key.endswith("antennas") else "--numerology"
            raise UnreadableRecording(
                f"{path} was recorded with {key} {recorded[key]}, not {value}: give its {option}"
            )


def _pictures(file: sigmf.SigMFFile, length: int) -> dict[int, range]:
    found = {}
    for annotation in file.get_annotations():
        picture = annotation.get("semcom:picture")
        if isinstance(picture, int) and "core:sample_count" in annotation:
            start = min(annotation["core:sample_start"], length)
            found[picture] = range(start, min(start + annotation["core:sample_count"], length))
    return found
