# SPDX-License-Identifier: GPL-3.0-or-later
"""Recording the samples of a link as SigMF."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnuradio import blocks, gr
from gnuradio.semcom import sigmf_fields
from gnuradio.semcom.sigmf_fields import Fields
from sigmf import SigMFFile

from semcom_phy.exchange import ChannelState, Reception, Transmission
from semcom_phy.numerology import Numerology

if TYPE_CHECKING:
    from gnuradio.semcom.radios.base import Radio

_POLL_S = 0.01
_SETTLE_S = 1.0
_REWRITE_S = 2.0
_REWRITE_SHARE = 0.02


class Recording:
    """Samples sent and received, one SigMF recording (``cf32_le``) an antenna.

    ``sent-0.sigmf-data`` with ``sent-0.sigmf-meta`` and so on; of a half that nobody asks for
    there is nothing. The metadata hold what a receiver must know to decode the samples, the sample
    rate and the numerology, and an annotation a picture, in our namespace ``semcom``, which
    ``docs/sigmf-extension.md`` documents. They are written at once, every few seconds while
    pictures pass, and with the hash of the samples at the end, each time as a whole, so that a
    recording cut short by a kill can be read.

    What was received is cut where the receiver was done with a picture: an annotation covers all
    samples since the one before it, silence, and what the receiver needed to know that nothing
    came, included. So the cuts put together are all that it heard.

    Args:
        folder: made where it is missing; recordings of the same names are replaced.
        numerology: of the waveform.
        radio: what carried the samples, named in the metadata.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, numerology: Numerology, radio: Radio) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._numerology = numerology
        self._radio = radio
        self._begun = datetime.now(UTC)
        self._sinks: dict[str, list[gr.basic_block]] = {}
        self._annotations: dict[str, list[Fields]] = {"sent": [], "received": []}
        self._made_by: Fields = {}
        self._on_their_way: deque[Fields] = deque()
        self._heard = 0
        self._rewrite_at = time.monotonic()

    @cached_property
    def sent(self) -> list[gr.basic_block]:
        """A sink block a transmit antenna, to be connected by the flowgraph."""
        return self._open("sent", self._numerology.tx_antennas)

    @cached_property
    def received(self) -> list[gr.basic_block]:
        """A sink block a receive antenna, likewise."""
        return self._open("received", self._numerology.rx_antennas)

    def _open(self, stream: str, antennas: int) -> list[gr.basic_block]:
        self._sinks[stream] = [self._sink(f"{stream}-{i}") for i in range(antennas)]
        self._write_metadata(stream)
        return self._sinks[stream]

    def _sink(self, name: str) -> gr.basic_block:
        path = self._folder / f"{name}.sigmf-data"
        path.write_bytes(b"")  # GNU Radio's own message does not say why it cannot open a file
        return blocks.file_sink(gr.sizeof_gr_complex, str(path))

    def picture_sent(
        self, picture: int, transmission: Transmission, state: ChannelState, span: range
    ) -> None:
        """Note a picture that is being sent.

        Args:
            picture: its number in the run.
            transmission: its notes ``name`` and ``sha256``, of the file of the picture, are noted
                as what they are.
            state: what the transmitter knew of the channel.
            span: samples of the transmit stream that it takes.
        """
        if not self._made_by:
            self._made_by = sigmf_fields.scheme_fields(transmission.label)
        which = sigmf_fields.picture_fields(picture, transmission)
        self._on_their_way.append(which)
        self._annotate("sent", span, which | sigmf_fields.sent_fields(transmission, state))

    def picture_received(self, reception: Reception | None, heard: int) -> None:
        """Note what became of a picture: the oldest sent here and not noted, if any was.

        Args:
            reception: None where it was lost.
            heard: samples per antenna that the receiver had heard when that was known.
        """
        if self._on_their_way:
            which = self._on_their_way.popleft()
        else:
            assert reception is not None, "nothing is known of a picture lost by another program"
            which = sigmf_fields.header_fields(reception)
        span, self._heard = range(self._heard, heard), heard
        self._annotate("received", span, which | sigmf_fields.received_fields(reception))

    def _annotate(self, stream: str, span: range, fields: Fields) -> None:
        place = {"core:sample_start": span.start, "core:sample_count": len(span)}
        self._annotations[stream].append(place | fields)
        begun = time.monotonic()
        if begun < self._rewrite_at:
            return
        for written in self._sinks:
            self._write_metadata(written)
        # The more there is to write, the less often.
        took = time.monotonic() - begun
        self._rewrite_at = begun + max(_REWRITE_S, took / _REWRITE_SHARE)

    def settle(self) -> None:
        """Wait a moment until the files have what was noted; the flowgraph still runs."""
        deadline = time.monotonic() + _SETTLE_S
        sinks = self._sinks.get("received", [])
        while any(sink.nitems_read(0) < self._heard for sink in sinks):
            if time.monotonic() > deadline:
                return
            time.sleep(_POLL_S)

    def finish(self) -> None:
        """Close the files and complete the metadata, once the flowgraph has ended."""
        for stream, sinks in self._sinks.items():
            for sink in sinks:
                sink.close()
            self._write_metadata(stream, complete=True)

    def _write_metadata(self, stream: str, complete: bool = False) -> None:
        for antenna in range(len(self._sinks[stream])):
            name = f"{stream}-{antenna}"
            samples = self._folder / f"{name}.sigmf-data"
            # Once complete the library adds the hash; it maps no empty file.
            whole = complete and samples.stat().st_size > 0
            fields = self._metadata(stream, antenna)
            if whole:
                count = samples.stat().st_size // gr.sizeof_gr_complex
                fields["annotations"] = list(_within(fields["annotations"], count))
            meta = SigMFFile(fields, data_file=samples if whole else None)
            part = self._folder / f"{name}.part"
            part.write_text(meta.dumps(), encoding="utf-8")
            part.replace(self._folder / f"{name}.sigmf-meta")

    def _metadata(self, stream: str, antenna: int) -> dict[str, Any]:
        fields = sigmf_fields.stream_fields(stream, antenna, self._numerology, self._radio)
        capture: Fields = {
            "core:sample_start": 0,
            "core:datetime": self._begun.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        freq_hz = getattr(self._radio.config, "freq_hz", None)
        if freq_hz is not None:
            capture["core:frequency"] = freq_hz
        return {
            "global": fields | self._made_by,
            "captures": [capture],
            "annotations": self._annotations[stream],
        }


def _within(annotations: Iterable[Fields], samples: int) -> Iterator[Fields]:
    """What annotations say of the samples that there are: an interruption cuts a picture short."""
    for annotation in annotations:
        there = samples - annotation["core:sample_start"]
        if there > 0:
            yield annotation | {"core:sample_count": min(there, annotation["core:sample_count"])}
