# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder that a run leaves at the receiving host."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ota_runner.console import say
from ota_runner.control_messages import Hello, Report
from ota_runner.errors import UsageError
from ota_runner.pictures import Picture
from ota_runner.record import (
    DigitalRecord,
    Label,
    Latency,
    Manifest,
    PictureRecord,
    RunFolder,
)
from ota_runner.report import write_report
from ota_runner.summary import Summary, summarise
from ota_runner.versions import machine, package_version, versions
from semcom_models.codecs import registry
from semcom_phy.digital import MCS
from semcom_phy.exchange import CodecLabel, Reception


class ReceivedRun:
    """Records what arrives of a run; the transmitting host knows what was sent.

    Args:
        output: folder, None for one named by the date.
        hello: of the run.
        config: resolved options of this host.
        description: of its radio.
        sample_rate: in samples per second.
        weights: folder or file of weights to look in first.
        command: as typed.

    Raises:
        UsageError: the folder holds another run, or cannot be written.
        ValueError: the codec or its weights are not here.

    Attributes:
        folder: of the run.
    """

    def __init__(
        self,
        output: Path | None,
        hello: Hello,
        config: Mapping[str, Any],
        description: dict[str, Any],
        sample_rate: float,
        weights: Path | None,
        command: str,
    ) -> None:
        self.hello = hello
        manifest = _manifest(
            hello, str(config["radio"]), description, sample_rate, weights, command
        )
        if output is None:
            self.folder = RunFolder.create(None, hello.scheme, str(config["radio"]))
        elif RunFolder(output).holds_run:
            self.folder = RunFolder.open(output)
            if self.folder.manifest().run != hello.run:
                raise UsageError(
                    f"{output} holds another run than the one that the transmitter begins; give "
                    "another --output there, or --resume at the transmitter"
                )
            self.folder.mend()
            return
        elif output.exists() and any(output.iterdir()):
            raise UsageError(
                f"the receiver's --output {output} is not empty: is it the transmitter's? "
                "Give another one"
            )
        else:
            self.folder = RunFolder.create(output, hello.scheme, str(config["radio"]))
        self.folder.begin(config, manifest)

    def file_for(self, picture: int, name: str) -> str:
        """Where a reconstruction goes, below the folder."""
        return f"received/{_file_name(picture, name)}"

    def append(self, name: str, report: Report, reception: Reception | None) -> None:
        """Write down what became of a picture.

        Args:
            name: of the picture.
            report: as the transmitter gets it.
            reception: what arrived, None where nothing did.

        Raises:
            OutputFailed: it cannot be written.
        """
        if report.signal is not None:
            self.folder.append_signals(report.signal)
        completed = report.status == "completed"
        self.folder.append(
            PictureRecord(
                picture=report.picture,
                name=name,
                status=report.status,
                error=report.reason,
                height=report.height,
                width=report.width,
                received=self.file_for(report.picture, name) if completed else None,
                label=None if reception is None else Label(**vars(reception.header.label)),
                snr_estimated_db=report.snr_estimated_db,
                fragments_sent=report.fragments,
                fragments_received=report.fragments - len(report.fragments_lost),
                fragments_lost=report.fragments_lost,
                frames=report.frames,
                digital=() if reception is None else _digital(report, reception),
                latency_s=Latency(decode=report.decode_s),
            )
        )

    def finish(self, sent: Mapping[str, Any] | None) -> Summary:
        """Sum the run up and make its report.

        Args:
            sent: the transmitter's summary, which knows the scores; None where it told none.

        Raises:
            OutputFailed: it cannot be written.
        """
        summary = summarise(self.folder.manifest(), self.folder.records())
        if sent is not None:
            try:
                summary = Summary.model_validate(sent)
            except ValidationError:
                say(
                    f"the transmitter's summary (version {self.hello.version}) is not as this "
                    f"version ({package_version()}) writes it: the scores are missing here"
                )
        self.folder.write_summary(summary)
        write_report(self.folder)
        return summary


def _file_name(picture: int, name: str) -> str:
    return Picture(picture, name, load=lambda: NotImplemented).file_name


def _manifest(
    hello: Hello,
    radio: str,
    description: dict[str, Any],
    sample_rate: float,
    weights: Path | None,
    command: str,
) -> Manifest:
    label = CodecLabel(**hello.label.model_dump())
    preset = registry.preset_of(label, weights)
    return Manifest(
        run=hello.run,
        scheme=hello.scheme,
        preset=hello.preset,
        weights=preset.weights,
        weights_sha256=f"{label.weights:08x}" if preset.weights else None,
        radio=radio,
        channel=description,
        sample_rate=sample_rate,
        pictures=[f"picture {number}" for number in range(hello.pictures)],
        snr_set_db=None,
        versions=versions(),
        machine=machine(),
        command=command,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _digital(report: Report, reception: Reception) -> tuple[DigitalRecord, ...]:
    entries = reception.header.sections
    return tuple(
        DigitalRecord(
            mcs=MCS[entries[section.section].mcs].name,
            efficiency=MCS[entries[section.section].mcs].efficiency,
            bits=section.bits,
            ok=section.ok,
            valid_bits=section.valid_bits,
        )
        for section in report.digital
    )
