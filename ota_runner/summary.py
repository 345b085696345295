# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures over the pictures of a run: ``summary.json``, an interface with a version."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ota_runner.radio_record import RadioEventCounts, all_radio_events, transmit_duty
from ota_runner.record import FeedbackRecord, Finite, Latency, Manifest, PictureRecord
from semcom_models.psnr import psnr_of_mse_db


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SNR(_Strict):
    """Es/N0 in dB: asked for, and as the receiver measured it, over pictures."""

    set: Finite | None
    estimated_mean: Finite | None
    estimated_std: Finite | None


class Frames(_Strict):
    """Frames of all pictures."""

    sent: int
    received: int
    lost: int


class Digital(_Strict):
    """Sections of bits of all pictures.

    Attributes:
        sections: sent.
        failed: of them, not arrived, or with a CRC that does not hold.
        crc_false_passes: of them, with wrong bits although every CRC holds.
        fallen_back: pictures that were received, but of which the stream did not arrive, or for
            which none was small enough to be sent.
    """

    sections: int
    failed: int
    crc_false_passes: int
    fallen_back: int


class Throughput(_Strict):
    """Speed over all pictures.

    Attributes:
        images_per_s: pictures completed per second of encoding, waveform and decoding.
        samples_per_s: samples sent per second between send and reception.
        real_time_factor: that over the sample rate; above one is faster than real time.
    """

    images_per_s: Finite | None
    samples_per_s: Finite | None
    real_time_factor: Finite | None


class Summary(_Strict):
    """Figures of a run; None where there is nothing to tell.

    Attributes:
        format: version of this interface.
        scheme: name of the code.
        weights: ``file name:first eight hexadecimal digits of its SHA-256``; None for codes
            that learn nothing.
        radio: name of the radio.
        channel: what the radio says of its channel.
        images, completed: pictures asked for, and received at least in part.
        snr_db: asked for and measured.
        cbr, air_cbr: channel uses, and all samples on the air, per source dimension ``3 H W``,
            over all pictures sent: pictures weigh by their size.
        psnr_db: mean over completed pictures of their PSNR (100 dB at most).
        psnr_of_mse_db: PSNR of the completed pictures' mean MSE.
        ssim, ms_ssim: means over those completed pictures where they are defined.
        task: measures of a downstream task by name.
        frames: sent, received, lost.
        digital: sections of bits: sent, failed.
        feedback: reports to the transmitter; None where none are used.
        radio_events: what went wrong in the radio; None where there is none.
        transmit_duty: share of the radio's time in which frames were transmitted, while pictures
            were being sent; None where that is not known.
        throughput: speed.
        latency_s: mean over pictures, stage by stage.
    """

    format: Literal[1] = 1
    scheme: str
    weights: str | None
    radio: str
    channel: dict[str, Any]
    images: int
    completed: int
    snr_db: SNR
    cbr: Finite | None
    air_cbr: Finite | None
    psnr_db: Finite | None
    psnr_of_mse_db: Finite | None
    ssim: Finite | None
    ms_ssim: Finite | None
    task: dict[str, Finite]
    frames: Frames
    digital: Digital
    feedback: FeedbackRecord | None = None
    radio_events: RadioEventCounts | None = None
    transmit_duty: Finite | None = None
    throughput: Throughput
    latency_s: Latency


def summarise(manifest: Manifest, records: Sequence[PictureRecord]) -> Summary:
    """Figures over the pictures that have a record.

    Args:
        manifest: what made the run.
        records: one for each picture that was tried, whatever became of it.
    """
    completed = [record for record in records if record.status == "completed"]
    estimates = [r.snr_estimated_db for r in completed if r.snr_estimated_db is not None]
    sent = sum(record.fragments_sent for record in records)
    received = sum(record.fragments_received for record in records)
    errors = _known(record.mse for record in completed)
    sections = [section for record in records for section in record.digital]
    return Summary(
        scheme=manifest.scheme,
        weights=f"{manifest.weights}:{manifest.weights_sha256}" if manifest.weights else None,
        radio=manifest.radio,
        channel=manifest.channel,
        images=len(manifest.pictures),
        completed=len(completed),
        snr_db=SNR(
            set=manifest.snr_set_db,
            estimated_mean=_mean(estimates),
            estimated_std=statistics.pstdev(estimates) if estimates else None,
        ),
        cbr=_per_dimension(records, "channel_uses"),
        air_cbr=_per_dimension(records, "samples"),
        psnr_db=_mean(record.psnr_db for record in completed),
        psnr_of_mse_db=psnr_of_mse_db(errors) if errors else None,
        ssim=_mean(record.ssim for record in completed),
        ms_ssim=_mean(record.ms_ssim for record in completed),
        task={},
        frames=Frames(sent=sent, received=received, lost=sent - received),
        digital=Digital(
            sections=len(sections),
            failed=sum(not section.ok for section in sections),
            crc_false_passes=sum(section.wrong is True for section in sections),
            fallen_back=sum(record.fell_back for record in completed),
        ),
        feedback=_feedback(records),
        radio_events=all_radio_events(record.radio for record in records),
        transmit_duty=transmit_duty(
            ((record.radio, record.samples) for record in records), manifest.sample_rate
        ),
        throughput=_throughput(manifest, records),
        latency_s=Latency(
            encode=_mean(record.latency_s.encode for record in records),
            waveform=_mean(record.latency_s.waveform for record in records),
            decode=_mean(record.latency_s.decode for record in records),
        ),
    )


def _feedback(records: Sequence[PictureRecord]) -> FeedbackRecord | None:
    counts = [record.feedback.model_dump() for record in records if record.feedback is not None]
    if not counts:
        return None
    return FeedbackRecord(**{key: sum(count[key] for count in counts) for key in counts[0]})


def _throughput(manifest: Manifest, records: Sequence[PictureRecord]) -> Throughput:
    busy = sum(sum(_known(r.latency_s.model_dump().values())) for r in records)
    completed = sum(record.status == "completed" for record in records)
    waveform = sum(_known(record.latency_s.waveform for record in records))
    samples = sum(_known(record.samples for record in records))
    rate = samples / waveform if manifest.sample_rate and waveform and samples else None
    return Throughput(
        images_per_s=completed / busy if busy else None,
        samples_per_s=rate,
        real_time_factor=rate / manifest.sample_rate if rate and manifest.sample_rate else None,
    )


def _per_dimension(records: Sequence[PictureRecord], quantity: str) -> float | None:
    """A quantity of all pictures sent over all their source dimensions."""
    total, dimensions = 0, 0
    for record in records:
        value = getattr(record, quantity)
        if value is not None and record.height and record.width:
            total += value
            dimensions += 3 * record.height * record.width
    return total / dimensions if dimensions else None


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return statistics.fmean(known) if known else None
