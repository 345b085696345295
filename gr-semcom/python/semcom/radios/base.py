# SPDX-License-Identifier: GPL-3.0-or-later
"""What a radio is: a validated configuration, a sink and a source, events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from gnuradio import gr
from gnuradio.semcom.radios.corrections import Corrections
from pydantic import BaseModel, ConfigDict, ValidationError

from semcom_phy.numerology import Numerology


class RadioConfigError(ValueError):
    """Options that a radio does not accept; the message is one line for the user."""


class RadioOpenError(OSError):
    """A device that is not there, is busy or is not what was asked for; one line for the user."""


class RadioLostError(OSError):
    """A device that was there and is gone, or gives no samples any more; one line."""


class RadioConfig(BaseModel):
    """Options of a radio; a radio's own class adds fields, each with limits and description."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass
class RadioEvents:
    """What went wrong in the device so far.

    Attributes:
        underflow: times the transmitter ran out of samples within a burst.
        overflow: times received samples were dropped.
        late: bursts that came after their time.
        lost_device: times the device vanished.
    """

    underflow: int = 0
    overflow: int = 0
    late: int = 0
    lost_device: int = 0


class Radio(ABC):
    """A device, or a simulation of one.

    ``flowgraph.connect((framer, i), (radio.sink, i))`` for each transmit antenna and
    ``flowgraph.connect((radio.source, i), (receiver, i))`` for each receive antenna are all that
    a flowgraph does with it; a simulated radio may be one block that is both. A program that only
    transmits never asks for the source, one that only receives never for the sink: what is not
    asked for is not opened.

    Args:
        config: of this radio's :attr:`Config`.
        numerology: sample rate and antennas.
        corrections: what calibration found of the device; None for nothing.

    Attributes:
        name: by which it is chosen.
        Config: its options.
        ends_with_input: the source ends after the last sample into the sink, as a simulation
            does; a device goes on for ever.
        has_halves: sink and source may be in different programs.
        radiates: what it sends can leave the machine.
        events: what went wrong so far.
        cautions: what of the configuration the waveform is not made for; a line on each.
    """

    name: ClassVar[str]
    Config: ClassVar[type[RadioConfig]]
    ends_with_input: ClassVar[bool] = False
    has_halves: ClassVar[bool] = True
    radiates: ClassVar[bool] = True

    def __init__(
        self,
        config: RadioConfig,
        numerology: Numerology,
        corrections: Corrections | None = None,
    ) -> None:
        self.config = config
        self.numerology = numerology
        self.corrections = corrections or Corrections()
        self.events = RadioEvents()
        self.cautions: list[str] = []

    @property
    @abstractmethod
    def sink(self) -> gr.basic_block:
        """Takes one stream of complex samples a transmit antenna."""

    @property
    @abstractmethod
    def source(self) -> gr.basic_block:
        """Gives one stream of complex samples a receive antenna."""

    @property
    def blocks(self) -> tuple[gr.basic_block, ...]:
        """All blocks whose errors are the radio's; a radio of more than sink and source adds."""
        return self.sink, self.source

    @classmethod
    def serial_number(cls, config: RadioConfig) -> str | None:
        """Of the device that the options name, without opening streams; None for no device.

        Raises:
            RadioOpenError: there is none, or more than one and the options do not say which.
        """
        return None

    @abstractmethod
    def transmitted(self, sent: int) -> bool:
        """Whether all that was put into the sink has left the antenna.

        Args:
            sent: samples per antenna put into the sink so far.
        """

    @abstractmethod
    def drained(self, sent: int, received: int) -> bool:
        """Whether nothing of what was sent can still reach the receiver.

        Asked again and again until it can not. In a program that only receives, ``sent`` is what
        the other program told of its sink, and is asked after that has transmitted all.

        Args:
            sent: samples per antenna put into the sink so far.
            received: samples per antenna that the receiver has taken from the source.
        """

    def check(self) -> None:  # noqa: B027  (a simulation cannot vanish)
        """Find out whether the device is still there; called now and then while it is in use.

        Raises:
            RadioLostError: it is not.
        """

    def close(self) -> None:  # noqa: B027
        """Transmitter off, device free, once the flowgraph has ended; safe to call twice."""

    def set_snr_db(self, snr_db: float) -> None:
        """Choose the noise of what is sent from now on, where the channel is simulated.

        Args:
            snr_db: Es/N0 of the payload subcarriers.

        Raises:
            RadioConfigError: an SNR out of range, or a radio with a channel of its own.
        """
        raise RadioConfigError(
            f"radio '{self.name}' has a channel of its own, whose SNR cannot be set: "
            "use --radio loopback or ideal"
        )

    def describe(self) -> dict[str, Any]:
        """Name, options and events, as plain values for a report."""
        return {
            "name": self.name,
            **self.config.model_dump(mode="json"),
            "events": asdict(self.events),
        }


def validate_config(kind: type[RadioConfig], name: str, options: dict[str, Any]) -> RadioConfig:
    """Options of radio ``name`` as its validated configuration.

    Raises:
        RadioConfigError: a misspelt option or a value out of range.
    """
    try:
        return kind.model_validate(options)
    except ValidationError as error:
        problems = []
        for problem in error.errors(include_url=False):
            where = ".".join(str(part) for part in problem["loc"]) or "options"
            if problem["type"] == "extra_forbidden":
                known = ", ".join(kind.model_fields)
                problems.append(f"no option '{where}' (there are: {known})")
            else:
                problems.append(f"{where}: {problem['msg']}")
        raise RadioConfigError(f"radio '{name}': {'; '.join(problems)}") from None
