# SPDX-License-Identifier: GPL-3.0-or-later
"""Recording the samples of a link as SigMF."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gnuradio import blocks, gr
from sigmf import SigMFFile

from semcom_phy.numerology import Numerology

if TYPE_CHECKING:
    from gnuradio.semcom.radios.base import Radio


class Recording:
    """Samples sent and received, one SigMF recording (``cf32_le``) an antenna.

    ``sent-0.sigmf-data`` with ``sent-0.sigmf-meta`` and so on. The metadata hold what a receiver
    must know to decode the samples: the sample rate and, as ``semcom:numerology``, the
    parameters of the waveform. They are written at once, and again with the hash of the samples
    at the end, so that a recording cut short by a kill can be read.

    Args:
        folder: made where it is missing; recordings of the same names are replaced.
        numerology: of the waveform.
        radio: what carried the samples, named in the metadata.

    Attributes:
        sent, received: a sink block an antenna, to be connected by the flowgraph.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, numerology: Numerology, radio: Radio) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._numerology = numerology
        self._radio = radio
        self._begun = datetime.now(UTC)
        self.sent = [self._sink(f"sent-{i}") for i in range(numerology.tx_antennas)]
        self.received = [self._sink(f"received-{i}") for i in range(numerology.rx_antennas)]
        self._write_all_metadata()

    def _sink(self, name: str) -> gr.basic_block:
        path = self._folder / f"{name}.sigmf-data"
        path.write_bytes(b"")  # GNU Radio's own message does not say why it cannot open a file
        return blocks.file_sink(gr.sizeof_gr_complex, str(path))

    def finish(self) -> None:
        """Close the files and complete the metadata, once the flowgraph has ended."""
        for sink in (*self.sent, *self.received):
            sink.close()
        self._write_all_metadata()

    def _write_all_metadata(self) -> None:
        for kind, sinks in (("sent", self.sent), ("received", self.received)):
            for antenna in range(len(sinks)):
                self._write_metadata(f"{kind}-{antenna}", kind, antenna)

    def _write_metadata(self, name: str, kind: str, antenna: int) -> None:
        samples = self._folder / f"{name}.sigmf-data"
        meta = SigMFFile(
            data_file=samples if samples.stat().st_size else None,  # SigMF maps no empty file
            global_info={
                "core:datatype": "cf32_le",
                "core:sample_rate": self._numerology.sample_rate,
                "core:description": f"samples {kind}, antenna {antenna}",
                "core:recorder": "gr-semcom",
                "core:hw": self._radio.name,
                "core:extensions": [{"name": "semcom", "version": "1.0.0", "optional": True}],
                "semcom:numerology": asdict(self._numerology),
            },
        )
        begun = self._begun.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        meta.add_capture(0, {"core:datetime": begun})
        part = self._folder / f"{name}.part"
        part.write_text(meta.dumps(), encoding="utf-8")
        part.replace(self._folder / f"{name}.sigmf-meta")
