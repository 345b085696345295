# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run leaves: its folder, a record a picture, what made it.

::

    config.yaml     options, resolved; `ota_runner --config` takes it
    run.json        codec, radio, pictures, versions, machine: written before the first picture
    images.jsonl    a record a picture, appended and synced as it happens
    signals.jsonl   symbols and spectra of each, for the report
    sent/ received/ PNG files
    iq/             SigMF recordings, when asked
    summary.json    figures over all pictures
    report.html

The first three are all that a summary is made from, so that a run that was killed can be summed up,
reported and gone on with.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from ota_runner.errors import OutputFailed, UsageError
from ota_runner.radio_record import RadioRecord
from ota_runner.signal_records import SignalRecord
from semcom_phy.header import MAX_FRAGMENTS

FORMAT = 1
"""Version of ``run.json``, ``images.jsonl`` and ``summary.json``."""

Finite = Annotated[float, Field(allow_inf_nan=False)]

_LONGEST_NAME = 255
"""Bytes of a file's name, on every file system that matters."""

_Fragments = Annotated[int, Field(ge=0, le=MAX_FRAGMENTS)]
_FragmentIndices = Annotated[
    tuple[Annotated[int, Field(ge=0, lt=MAX_FRAGMENTS)], ...], Field(max_length=MAX_FRAGMENTS)
]
_Side = Annotated[int, Field(ge=1)]


def _below_the_folder(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("a file below the run's folder is expected")
    if len(name.encode()) > _LONGEST_NAME:
        raise ValueError(f"a name of {_LONGEST_NAME} bytes at most is expected")
    return name


_File = Annotated[str, AfterValidator(_below_the_folder)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Latency(_Strict):
    """Wall-clock seconds a picture took, stage by stage; None for a stage it did not reach."""

    encode: Finite | None = None
    waveform: Finite | None = None
    decode: Finite | None = None


class Label(_Strict):
    """Codec, preset, weights hash and rate index as in the frame header."""

    codec: int
    preset: int
    weights: int
    rate: int


class DigitalRecord(_Strict):
    """What became of a picture's section of bits.

    Attributes:
        mcs: name of its modulation and coding; ``capacity`` for an ideal code.
        efficiency: information bits a symbol, CRC and tails aside.
        bits: information bits sent.
        ok: it arrived and every CRC holds.
        valid_bits: how many of the first bits lie in code blocks whose CRCs hold.
        wrong: bits differ from those sent although every CRC holds; None where one does not.
    """

    mcs: str
    efficiency: Finite
    bits: int
    ok: bool = False
    valid_bits: int = 0
    wrong: bool | None = None


class FrameRecords(_Strict):
    """What the receiver measured of a picture's frames.

    Attributes:
        snr_db: Es/N0 of each frame, in order; None for one that did not arrive.
        cfo_hz: carrier offset, likewise.
        gain_db: channel of the latest frame, ``|H|^2`` by receive and transmit antenna and
            active subcarrier.
    """

    snr_db: Annotated[tuple[Finite | None, ...], Field(max_length=MAX_FRAGMENTS)]
    cfo_hz: tuple[Finite | None, ...]
    gain_db: tuple[tuple[tuple[Finite, ...], ...], ...] = ()

    @model_validator(mode="after")
    def _of_the_same_frames(self) -> Self:
        if len(self.snr_db) != len(self.cfo_hz):
            raise ValueError("snr_db and cfo_hz are of as many frames")
        return self


class FeedbackRecord(_Strict):
    """What became of the reports that came to the transmitter, see
    :class:`semcom_phy.channel_knowledge.FeedbackCounters`.
    """

    used: int
    late: int
    implausible: int
    expired: int
    unreadable: int
    foreign: int
    lost: int
    throttled: int


class PictureRecord(_Strict):
    """What happened to a picture; a line of ``images.jsonl``.

    Attributes:
        picture: its number in the run, from 0.
        name: its name.
        status: ``completed``; ``lost``: sent, and not one frame arrived; ``failed``: could not
            be read, encoded, sent or decoded, see ``error``.
        height, width: in pixels.
        sha256: of the file in ``sent/``.
        sent, received: file names below the run's folder.
        label: codec, preset, weights, rate.
        psnr_db, ssim, ms_ssim, mse: of the received picture in 8 bit; SSIM is None below 11,
            MS-SSIM below 161 pixels a side.
        snr_set_db, snr_estimated_db: Es/N0 asked for and measured by the receiver.
        snr_told_db: what the encoder was told.
        feedback: reports since the picture before; None where none are used.
        channel_uses: symbols of the picture on the channel, side information included.
        samples: samples sent per antenna, all overhead included.
        cbr, air_cbr: those two over the source dimensions ``3 H W``.
        attempts: times that it was sent, more than once where a receiver on another host went away
            meanwhile; all else is about the last one.
        fragments_sent, fragments_received: frames of the picture.
        fragments_lost: which of them did not arrive; None where that was not written down.
        frames: what was measured of each, None where there is no waveform or nothing arrived.
        digital: of its sections of bits, in order.
        csi_id, csi_age_s: of the report on the channel that its first frame was precoded for, and
            its age in stream time; None where it was not precoded.
        radio: what its radio did meanwhile, that of the receiver on another host too; None where
            there is none.
        notes: what the encoder wanted written down, such as the quality setting of a codec.
        latency_s: by stage.
        error: one line on what failed.
    """

    picture: int
    name: str
    status: Literal["completed", "lost", "failed"]
    height: _Side | None = None
    width: _Side | None = None
    sha256: str | None = None
    sent: _File | None = None
    received: _File | None = None
    label: Label | None = None
    psnr_db: Finite | None = None
    ssim: Finite | None = None
    ms_ssim: Finite | None = None
    mse: Finite | None = None
    snr_set_db: Finite | None = None
    snr_estimated_db: Finite | None = None
    snr_told_db: Finite | None = None
    feedback: FeedbackRecord | None = None
    channel_uses: int | None = None
    samples: int | None = None
    cbr: Finite | None = None
    air_cbr: Finite | None = None
    attempts: Annotated[int, Field(ge=1)] = 1
    fragments_sent: _Fragments = 0
    fragments_received: _Fragments = 0
    fragments_lost: _FragmentIndices | None = None
    frames: FrameRecords | None = None
    digital: tuple[DigitalRecord, ...] = ()
    csi_id: int | None = None
    csi_age_s: Finite | None = None
    radio: RadioRecord | None = None
    notes: dict[str, str | Finite] = {}
    latency_s: Latency = Latency()
    error: str | None = None

    @property
    def fell_back(self) -> bool:
        """Whether it was lost, failed, or is no more than what a codec makes of nothing.

        So it is where the longest section of bits did not arrive, and where no stream of a
        standard codec was small enough, so that it was sent as its mean colour.
        """
        stream = max(self.digital, key=lambda section: section.bits, default=None)
        damaged = stream is not None and not stream.ok
        return self.status != "completed" or damaged or "flat" in self.notes


class Manifest(_Strict):
    """What made a run; ``run.json``.

    Attributes:
        format: version of the folder.
        scheme, preset: the codec.
        weights: name of the weights file, None where nothing is learned.
        weights_sha256: first eight hexadecimal digits of its SHA-256.
        scheme_sha256: likewise of the Python file that the scheme came from; None where it came
            from none, or where that was not written down.
        radio: the radio.
        channel: what the radio says of itself and its channel.
        sample_rate: samples per second, None where the link has no waveform.
        pictures: names, in order.
        snr_set_db: Es/N0 asked for, the mean where it fades; None where a file says it.
        snr_trace_db: that of each picture, None where it is the same throughout.
        versions: of the packages that matter.
        machine: processor, cores, operating system.
        command: as typed.
        started: date and time, ISO 8601.
        run: drawn for a run over two hosts, by which they know that they mean the same one; None
            for one within a program.
    """

    format: Literal[1] = 1
    scheme: str
    preset: str
    weights: str | None
    weights_sha256: str | None
    scheme_sha256: str | None = None
    radio: str
    channel: dict[str, Any]
    sample_rate: Finite | None
    pictures: list[str]
    snr_set_db: Finite | None
    snr_trace_db: list[Finite] | None = None
    versions: dict[str, str]
    machine: dict[str, Any]
    command: str
    started: str
    run: str | None = None

    def begun_with_file(self, scheme_sha256: str | None) -> bool:
        """Whether the scheme is still as the run was begun with, as far as that is known."""
        return self.scheme_sha256 in (None, scheme_sha256)


_Line = TypeVar("_Line", PictureRecord, SignalRecord)


class RunFolder:
    """A run's folder.

    Args:
        path: of the folder; see :meth:`create` and :meth:`open` for new and old ones.
        made_here: whether this object made the folder, and :meth:`abandon` takes it away.
    """

    def __init__(self, path: Path, made_here: bool = False) -> None:
        self.path = path
        self._made_here = made_here

    @classmethod
    def create(cls, path: Path | None, scheme: str, radio: str) -> Self:
        """Make a new folder.

        Args:
            path: where; None for ``runs/DATE-SCHEME-RADIO``, numbered if it is taken.
            scheme: for the default name.
            radio: for the default name.

        Raises:
            UsageError: not writable, or it holds a run already.
        """
        try:
            if path is None:
                folder = cls(new_default_folder(f"{scheme}-{radio}"), made_here=True)
            else:
                folder = cls(path, made_here=not path.exists())
            if folder.holds_run:
                raise UsageError(
                    f"{path} holds a run already: give --resume to go on with it, "
                    "or another --output"
                )
            for sub in ("sent", "received"):
                (folder.path / sub).mkdir(parents=True, exist_ok=True)
            folder._probe()
        except OSError as error:
            where = error.filename or path
            raise UsageError(
                f"cannot write to {where}: {error.strerror}; give another --output"
            ) from error
        return folder

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a folder that holds a run, whole or not.

        Raises:
            UsageError: it holds none.
        """
        folder = cls(path)
        if not folder.holds_run:
            raise UsageError(f"{path} holds no run (no run.json in it)")
        return folder

    @property
    def holds_run(self) -> bool:
        """A run was begun here."""
        return (self.path / "run.json").exists() or (self.path / "images.jsonl").exists()

    @property
    def has_summary(self) -> bool:
        """Whether the run was summed up."""
        return (self.path / "summary.json").exists()

    def abandon(self) -> None:
        """Take away what was made for a run that was not begun."""
        made = [self.path / "sent", self.path / "received", self.iq]
        if self._made_here:
            made.append(self.path)
        for folder in made:
            with contextlib.suppress(OSError):  # not there, or not empty
                folder.rmdir()

    @property
    def config_file(self) -> Path:
        """The resolved options."""
        return self.path / "config.yaml"

    @property
    def iq(self) -> Path:
        """Where recordings are."""
        return self.path / "iq"

    def new_iq(self) -> Path:
        """Where new recordings go: ``iq``, or ``iq/part-2`` and so on for a run gone on with."""
        folder, part = self.iq, 1
        while folder.exists() and any(folder.glob("*.sigmf-*")):
            part += 1
            folder = self.iq / f"part-{part}"
        return folder

    def begin(self, config: Mapping[str, Any], manifest: Manifest) -> None:
        """Write what a run is, before its first picture.

        Raises:
            OutputFailed: it cannot be written.
        """
        text = yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
        with self._writing():
            write_atomically(self.config_file, text)
            write_atomically(self.path / "run.json", manifest.model_dump_json(indent=1) + "\n")

    def manifest(self) -> Manifest:
        """What made the run.

        Raises:
            UsageError: ``run.json`` is missing or damaged.
        """
        file = self.path / "run.json"
        try:
            return Manifest.model_validate_json(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"cannot read {file}: {error.strerror}") from error
        except (ValidationError, UnicodeDecodeError) as error:
            raise UsageError(f"{file} is damaged: {first_fault(error)}") from error

    def config(self) -> dict[str, Any]:
        """The resolved options, as written.

        Raises:
            UsageError: ``config.yaml`` is missing or damaged.
        """
        try:
            config = yaml.safe_load(self.config_file.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(f"cannot read {self.config_file}: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UsageError(f"{self.config_file} is damaged: {first_fault(error)}") from error
        if not isinstance(config, dict):
            raise UsageError(f"{self.config_file} is damaged: it holds no options")
        return config

    def append(self, record: PictureRecord) -> None:
        """Add a record; it is on the disk when this returns.

        Raises:
            OutputFailed: it cannot be written.
        """
        self._append("images.jsonl", record)

    def append_signals(self, record: SignalRecord) -> None:
        """Add what a picture's signal looked like, likewise.

        Raises:
            OutputFailed: it cannot be written.
        """
        self._append("signals.jsonl", record)

    def _append(self, name: str, record: BaseModel) -> None:
        line = json.dumps(record.model_dump(mode="json"), allow_nan=False)
        with self._writing(), (self.path / name).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def records(self, faults: list[str] | None = None) -> list[PictureRecord]:
        """The records by picture number; a later record of a picture replaces an earlier one.

        A last line that a kill left half written is passed over.

        Args:
            faults: takes what is wrong with the file, so that what is left is read; None where
                a damaged line is an error.

        Raises:
            UsageError: a damaged line elsewhere, and nobody takes it.
        """
        return list(self._read("images.jsonl", PictureRecord, faults).values())

    def signals(self, pictures: Collection[int], faults: list[str]) -> dict[int, SignalRecord]:
        """What the signals of pictures looked like, by picture number, as far as is known.

        Args:
            pictures: those wanted.
            faults: takes what is wrong with the file.
        """
        return self._read("signals.jsonl", SignalRecord, faults, pictures)

    def _read(
        self,
        name: str,
        model: type[_Line],
        faults: list[str] | None,
        wanted: Collection[int] | None = None,
    ) -> dict[int, _Line]:
        """Records of a file by picture number, in its order."""
        found: dict[int, _Line] = {}
        for number, line in enumerate(self._lines(name), start=1):
            if not line.endswith(b"\n"):
                if faults is not None:
                    faults.append(f"the last line of {self.path / name} was left half written")
                continue
            try:
                record = model.model_validate_json(line)
            except ValidationError as error:
                fault = f"line {number} of {self.path / name} is damaged: {first_fault(error)}"
                if faults is None:
                    raise UsageError(fault) from error
                faults.append(fault)
                continue
            if wanted is None or record.picture in wanted:
                found[record.picture] = record
        return {picture: found[picture] for picture in sorted(found)}

    def mend(self) -> None:
        """Cut off last lines that a kill left half written, so that the next are whole."""
        for name in ("images.jsonl", "signals.jsonl"):
            file = self.path / name
            if file.exists():
                whole = sum(len(line) for line in self._lines(name) if line.endswith(b"\n"))
                if whole < file.stat().st_size:
                    os.truncate(file, whole)

    def write_summary(self, summary: BaseModel) -> None:
        """Write ``summary.json``.

        Raises:
            OutputFailed: it cannot be written.
        """
        with self._writing():
            write_atomically(self.path / "summary.json", summary.model_dump_json(indent=1) + "\n")

    def write_report(self, page: str) -> Path:
        """Write ``report.html``; returns its path.

        Raises:
            OutputFailed: it cannot be written.
        """
        path = self.path / "report.html"
        with self._writing():
            write_atomically(path, page)
        return path

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputFailed(
                f"cannot write to {self.path}: {error.strerror}; make room or give back the "
                f"permission, then go on with --resume --output {self.path}"
            ) from error

    def _lines(self, name: str) -> Iterator[bytes]:
        """The lines of a file; a kill may have left the last one without its end."""
        file = self.path / name
        if file.exists():
            with file.open("rb") as lines:
                yield from lines

    def _probe(self) -> None:
        """Fail now rather than after the first picture if nothing can be written here."""
        probe = self.path / ".probe"
        probe.touch()
        probe.unlink()


def write_atomically(path: Path, text: str) -> None:
    """Write a text file; one of that name is replaced only once the new one is on the disk."""
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def first_difference(
    stored: Mapping[str, Any], asked: Mapping[str, Any], ignored: Sequence[str] = ()
) -> str | None:
    """The first option in which two resolved configurations differ, or None."""
    names = [*stored, *(name for name in asked if name not in stored)]
    different = (n for n in names if n not in ignored and stored.get(n) != asked.get(n))
    return next(different, None)


def new_default_folder(name: str) -> Path:
    """Make and return ``runs/DATE-name``, numbered if it is taken."""
    runs = Path("runs")
    runs.mkdir(exist_ok=True)
    base = f"{date.today().isoformat()}-{name}"
    number = 1
    while True:
        path = runs / (base if number == 1 else f"{base}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        else:
            return path


def first_fault(error: Exception) -> str:
    """What is wrong with data, on one line: the first of a validation's errors."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where}: {first['msg']}" if where else first["msg"]
    return " ".join(str(error).split())
