# SPDX-License-Identifier: GPL-3.0-or-later
"""How a run's pictures get to a receiver that decodes them: here, or on another host."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from torch import Tensor

from ota_runner.config import Settings
from ota_runner.digital_sections import digital_records
from ota_runner.errors import LinkFailed, one_line
from ota_runner.frame_records import frame_records
from ota_runner.radios import LinkPlan, RadioChoice
from ota_runner.record import DigitalRecord, FrameRecords
from ota_runner.signal_records import SignalRecord, signal_record
from semcom_models.codecs import registry
from semcom_models.codecs.base import decode_picture
from semcom_phy.exchange import (
    BoolArray,
    ChannelState,
    CodecLabel,
    Reception,
    Transmission,
)
from semcom_phy.link import Link, LinkStats, SimulatedLink

RECEIVE_TIMEOUT_S = 600.0
"""A link that makes no progress for this long has failed; slow machines and 4K pictures pass."""


@dataclass(frozen=True, eq=False)
class Arrival:
    """What became of a picture that was sent.

    Attributes:
        fragments: ``[n]``, True for each frame that arrived; empty where none did.
        snr_db: as the receiver measured it, None for nothing.
        frames: what it measured of each frame, None where nothing is measured.
        digital: of the sections of bits.
        signal: what the signal looked like, None where that is not known.
        decode: makes the picture ``[3, H, W]`` in [0, 1]; None where nothing arrived.
        decode_s: seconds that decoding took elsewhere; None where :attr:`decode` does it.
        since: what had been carried before the attempt that this is about; None for a first one.
        attempts: it took.
    """

    fragments: BoolArray
    snr_db: float | None = None
    frames: FrameRecords | None = None
    digital: tuple[DigitalRecord, ...] = ()
    signal: SignalRecord | None = None
    decode: Callable[[], Tensor] | None = None
    decode_s: float | None = None
    since: LinkStats | None = None
    attempts: int = 1


class Delivery(Protocol):
    """Takes transmissions one after the other to a receiver that decodes them."""

    @property
    def stats(self) -> LinkStats:
        """What was carried so far; a snapshot."""
        ...

    @property
    def stream_time_s(self) -> float | None:
        """Now, on the receiver's sample clock; None where that is not known."""
        ...

    def set_snr_db(self, snr_db: float) -> None:
        """Choose the noise of what is sent from now on, where the channel is simulated.

        Raises:
            LinkFailed: the link broke.
        """
        ...

    def deliver(
        self, picture: int, name: str, transmission: Transmission, state: ChannelState
    ) -> Arrival:
        """Send a picture and wait for what becomes of it.

        Args:
            picture: its number in the run.
            name: its name.
            transmission: what the codec made of it.
            state: what the transmitter knows of the channel.

        Raises:
            LinkFailed: the link broke.
        """
        ...


@dataclass(frozen=True)
class OpenRoute:
    """A way to a receiver that is up, and what to write down of it.

    Attributes:
        delivery: leaving its context closes the way.
        description: of the radio and its channel, plain data.
        sample_rate: samples per second, None without a waveform.
        snr_chosen: gains were chosen for the SNR asked for.
        run: by which two hosts know the run; None within a program.
    """

    delivery: AbstractContextManager[Delivery]
    description: dict[str, Any]
    sample_rate: float | None
    snr_chosen: bool = False
    run: str | None = None


Route: TypeAlias = Callable[[Settings, LinkPlan], OpenRoute]
"""Opens the way; raises ``RadioUnavailable`` or ``UsageError``."""


def within_this_program(choice: RadioChoice) -> Route:
    """The way over a radio of which this program has both ends."""

    def open_(settings: Settings, plan: LinkPlan) -> OpenRoute:
        radio = choice.open(settings.radio, plan)
        delivery = LinkDelivery(radio.link, settings.run.weights)
        return OpenRoute(delivery, radio.description, radio.sample_rate, radio.snr_chosen)

    return open_


def _require_own(arrived: CodecLabel, sent: CodecLabel) -> None:
    """Check that what arrived was made by the codec of the run; a recording may be of another.

    Raises:
        ValueError: it was not.
    """
    if replace(arrived, rate=0) == replace(sent, rate=0):
        return
    try:
        theirs = registry.preset_of(arrived)
        by = f"--scheme {theirs.scheme} --preset {theirs.name}"
    except ValueError:
        by = f"codec {arrived.codec}, preset {arrived.preset}, which are not known here"
    raise ValueError(
        f"what arrived was made by {by}, or with other weights, and not by this run's codec"
    )


class LinkDelivery(AbstractContextManager["LinkDelivery"]):
    """Over a link of this program, which decodes what arrives itself.

    Args:
        link: is up; leaving this context closes it.
        weights: where the receiver looks for weights besides the package's own.
    """

    def __init__(self, link: Link, weights: Path | None = None) -> None:
        self._link = link
        self._weights = weights

    def __exit__(self, *raised: Any) -> None:
        self._link.__exit__(*raised)

    @property
    def stats(self) -> LinkStats:
        return self._link.stats

    @property
    def stream_time_s(self) -> float | None:
        return self._link.stats.stream_time_s

    def set_snr_db(self, snr_db: float) -> None:
        assert isinstance(self._link, SimulatedLink)
        try:
            self._link.set_snr_db(snr_db)
        except RuntimeError as error:
            raise LinkFailed(f"the link failed: {one_line(error)}") from error

    def deliver(
        self, picture: int, name: str, transmission: Transmission, state: ChannelState
    ) -> Arrival:
        try:
            self._link.send(picture, transmission, state)
            reception = self._link.receive(RECEIVE_TIMEOUT_S)
        except (RuntimeError, TimeoutError, OSError) as error:
            raise LinkFailed(f"the link failed: {one_line(error)}") from error
        if reception is not None:
            _require_own(reception.header.label, transmission.label)
        digital = digital_records(transmission, reception)
        signal = signal_record(picture, reception, self._link)
        if reception is None:
            return Arrival(np.zeros(0, bool), digital=digital, signal=signal)
        return Arrival(
            reception.fragments,
            reception.snr_db if math.isfinite(reception.snr_db) else None,
            frame_records(reception),
            digital,
            signal,
            lambda: self._decode(reception),
        )

    def _decode(self, reception: Reception) -> Tensor:
        codec = registry.for_label(reception.header.label, self._weights)
        return decode_picture(codec, reception)
