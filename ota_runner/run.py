# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job: pictures through codec and link, one after the other, each recorded at once."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from pydantic import BaseModel
from torch import Tensor

from ota_runner.delivery import Arrival, Delivery
from ota_runner.errors import LinkFailed, one_line
from ota_runner.feedback_loop import FeedbackLoop
from ota_runner.pictures import Picture
from ota_runner.radio_record import radio_record
from ota_runner.record import Label, Latency, PictureRecord, RunFolder
from semcom_models import metrics
from semcom_models.codecs.base import Codec, Request
from semcom_models.data import save_picture
from semcom_models.psnr import psnr_of_mse_db
from semcom_phy.channel_knowledge import ChannelKnowledge
from semcom_phy.exchange import ChannelState, Transmission
from semcom_phy.fragments import channel_uses


class Observer(Protocol):
    """Is told of every picture as it is done."""

    def __call__(self, record: PictureRecord, error: Exception | None) -> None:
        """Take note of a record, and of the exception behind one that failed."""


@dataclass(frozen=True)
class Job:
    """What is to be sent, and how.

    Attributes:
        codec: encodes; the receiver finds its own by the header's label.
        options: the scheme's own, None where it has none.
        cbr: bandwidth ratio to ask of the codec, or None.
        snr_db: of the channel, unless there is a trace; where it cannot be set, what is assumed
            of it before the receiver has told any.
        trace_db: SNR of each picture by number.
        seed: of the codec's randomness, together with the picture's number.
        streams: spatial streams on which symbols take turns.
        sets_snr: the channel is simulated.
        feedback: what the transmitter knows of the channel, and what the encoder is told.
    """

    codec: Codec
    options: BaseModel | None
    cbr: float | None
    snr_db: float
    trace_db: Sequence[float] | None
    seed: int
    streams: int = 1
    sets_snr: bool = True
    feedback: FeedbackLoop = field(default_factory=lambda: FeedbackLoop(ChannelKnowledge()))

    def snr_of(self, picture: int) -> float:
        """Es/N0 of a picture in dB."""
        return self.snr_db if self.trace_db is None else self.trace_db[picture]

    def request(self, picture: int) -> Request:
        """What is asked of the codec for a picture."""
        generator = torch.Generator().manual_seed(self.seed * 65537 + picture)
        return Request(cbr=self.cbr, generator=generator, options=self.options)


@dataclass
class _Draft:
    """A record in the making."""

    picture: Picture
    fields: dict[str, Any] = field(default_factory=dict)
    latency: dict[str, float] = field(default_factory=dict)

    def timed(self, stage: str) -> AbstractContextManager[None]:
        """Add the time spent inside to a stage."""
        return _Stopwatch(self.latency, stage)

    def finish(self, status: str, error: str | None = None) -> PictureRecord:
        """The record."""
        return PictureRecord.model_validate(
            {
                "picture": self.picture.number,
                "name": self.picture.name,
                "status": status,
                "latency_s": Latency(**self.latency),
                "error": error,
                **self.fields,
            }
        )


class _Stopwatch(AbstractContextManager[None]):
    def __init__(self, seconds: dict[str, float], stage: str) -> None:
        self._seconds, self._stage = seconds, stage

    def __enter__(self) -> None:
        self._start = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._stage] = time.monotonic() - self._start


def send_pictures(
    pictures: Iterable[Picture], job: Job, delivery: Delivery, folder: RunFolder, observer: Observer
) -> None:
    """Send pictures and record what became of each, at once.

    A picture that cannot be read, encoded or decoded is recorded as failed and the next one is
    sent; whatever else happens, finished pictures are on the disk.

    Args:
        pictures: loaded one at a time.
        job: codec and requests.
        delivery: is up; its SNR can be set where the job has a trace.
        folder: receives PNG files and records.
        observer: told of every record.

    Raises:
        LinkFailed: the link broke; the picture on its way is recorded as failed.
        OutputFailed: the folder cannot be written any more.
    """
    with torch.no_grad():
        for picture in pictures:
            draft = _Draft(picture)
            error: Exception | None = None
            try:
                record = _send_picture(draft, job, delivery, folder)
            except Exception as caught:  # one picture's trouble is not the next one's
                error = caught
                record = draft.finish("failed", one_line(caught))
            folder.append(record)
            observer(record, error)
            if isinstance(error, LinkFailed):
                raise error


def _send_picture(draft: _Draft, job: Job, delivery: Delivery, folder: RunFolder) -> PictureRecord:
    image, snr_db = draft.picture.load(), job.snr_of(draft.picture.number)
    height, width = image.shape[1:]
    sent = f"sent/{draft.picture.file_name}"
    save_picture(folder.path / sent, image)
    draft.fields |= {
        "height": height,
        "width": width,
        "sent": sent,
        "sha256": hashlib.sha256((folder.path / sent).read_bytes()).hexdigest(),
        "snr_set_db": snr_db if job.sets_snr else None,
    }
    state = _known_state(draft, job, delivery)
    with draft.timed("encode"):
        [transmission] = job.codec.encode([image], state, job.request(draft.picture.number))
    transmission = replace(transmission, streams=job.streams)
    if state.csi is not None:
        draft.fields["csi_id"] = state.csi_id
        draft.fields["csi_age_s"] = None if delivery.stream_time_s is None else state.age_s
    uses = channel_uses(transmission)
    draft.fields |= {
        "label": Label(**vars(transmission.label)),
        "channel_uses": uses,
        "cbr": uses / image.numel(),
        "notes": {name: _writable(note) for name, note in transmission.notes.items()},
    }
    known = {"name": draft.picture.name, "sha256": draft.fields["sha256"]}
    transmission = replace(transmission, notes={**transmission.notes, **known})  # for recordings
    if job.trace_db is not None:
        delivery.set_snr_db(snr_db)
    arrival = _carry(draft, transmission, state, delivery)
    draft.fields["feedback"] = job.feedback.news()
    draft.fields["digital"] = arrival.digital
    if arrival.signal is not None:
        folder.append_signals(arrival.signal)
    draft.fields["air_cbr"] = draft.fields["samples"] / image.numel()
    if arrival.decode is None:
        return draft.finish("lost")
    draft.fields |= {"frames": arrival.frames, "snr_estimated_db": arrival.snr_db}
    with draft.timed("decode"):
        decoded = arrival.decode()
    if arrival.decode_s is not None:
        draft.latency["decode"] = arrival.decode_s
    draft.fields |= _compare(decoded, image)
    received = f"received/{draft.picture.file_name}"
    save_picture(folder.path / received, decoded)
    draft.fields["received"] = received
    return draft.finish("completed")


def _known_state(draft: _Draft, job: Job, delivery: Delivery) -> ChannelState:
    """What the transmitter goes by."""
    known = job.feedback.known
    known.picture_begins()
    heard = known.state(delivery.stream_time_s)
    told_db = job.feedback.told_snr_db(job.snr_of(draft.picture.number), heard.snr_db)
    draft.fields["snr_told_db"] = told_db
    return replace(heard, snr_db=told_db)


def _writable(note: str | float) -> str | float:
    """A note as JSON has it: numbers are finite."""
    return note if isinstance(note, str) or math.isfinite(note) else str(note)


def _carry(
    draft: _Draft, transmission: Transmission, state: ChannelState, delivery: Delivery
) -> Arrival:
    """Send a transmission and wait for what becomes of it."""
    before = delivery.stats
    picture = draft.picture
    with draft.timed("waveform"):
        arrival = delivery.deliver(picture.number, picture.name, transmission, state)
    after = delivery.stats
    radio = radio_record(before, after)
    before = arrival.since or before  # what was sent in vain is not what the picture took
    sent = after.frames_sent - before.frames_sent
    arrived = arrival.fragments if arrival.fragments.size else np.zeros(sent, bool)
    draft.fields |= {
        "samples": after.samples - before.samples,
        "radio": radio,
        "attempts": arrival.attempts,
        "fragments_sent": sent,
        "fragments_received": int(arrived.sum()),
        "fragments_lost": np.flatnonzero(~arrived).tolist(),
    }
    return arrival


def _compare(received: Tensor, sent: Tensor) -> dict[str, float | None]:
    error = metrics.mse(received, sent)
    return {
        "psnr_db": psnr_of_mse_db([error]),
        "ssim": metrics.ssim(received, sent),
        "ms_ssim": metrics.ms_ssim(received, sent),
        "mse": error,
    }
