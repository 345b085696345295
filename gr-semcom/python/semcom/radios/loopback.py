# SPDX-License-Identifier: GPL-3.0-or-later
"""No radio: a simulated channel in the flowgraph."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from gnuradio import gr
from gnuradio.semcom.loopback_channel import LoopbackChannel
from gnuradio.semcom.radios.base import Radio, RadioConfig, RadioConfigError, validate_config
from gnuradio.semcom.radios.corrections import Corrections
from pydantic import Field, model_validator

from semcom_models.channel_options import ChannelOptions
from semcom_phy.channel import ChannelConfig, ChannelTap
from semcom_phy.channel_limits import channel_cautions
from semcom_phy.impairments import Gaps, Impairments, Interferer
from semcom_phy.numerology import Numerology

Finite = Annotated[float, Field(allow_inf_nan=False)]
Time = Annotated[Finite, Field(ge=0, le=1e6)]


class LoopbackConfig(ChannelOptions, RadioConfig):
    """Options of the simulated channel."""

    CHANNELS: ClassVar[tuple[str, ...]] = (*ChannelOptions.CHANNELS, "multipath")

    snr_db: Annotated[Finite, Field(ge=-30, le=100)] | None = Field(
        10.0,
        description="Es/N0 of the payload subcarriers behind a path of unit mean gain, in dB; "
        "none for no noise",
    )
    channel: str = Field(
        "awgn",
        description=f"{ChannelOptions.model_fields['channel'].description}; multipath: the taps "
        "of a configuration file",
    )
    taps: tuple[tuple[Time, Finite, Finite], ...] = Field(
        (),
        description="echoes as (delay in samples, real part, imaginary part of the gain)",
    )
    cfo_hz: Finite = Field(0.0, description="carrier frequency offset in Hz")
    delay_samples: Time = Field(0.0, description="delay in samples, fractions allowed")
    sco_ppm: Annotated[Finite, Field(ge=-1000, le=1000)] = Field(
        0.0, description="sampling clock offset of the receiver in ppm"
    )
    saturation_db: Annotated[Finite, Field(ge=-10, le=60)] | None = Field(
        None, description="limit of the transmitter's amplifier above a frame's RMS, in dB"
    )
    iq_gain_db: Annotated[Finite, Field(ge=-20, le=20)] = Field(
        0.0, description="gain of the receiver's quadrature branch over the other's, in dB"
    )
    iq_phase_deg: Annotated[Finite, Field(ge=-45, le=45)] = Field(
        0.0, description="angle by which the receiver's branches are off 90 degrees"
    )
    dc_db: Annotated[Finite, Field(ge=-100, le=40)] | None = Field(
        None, description="DC offset of the receiver relative to a frame's power, in dB"
    )
    interferer_db: Annotated[Finite, Field(ge=-60, le=60)] | None = Field(
        None, description="power of an interferer's bursts relative to a frame's, in dB"
    )
    interferer_start_s: Time = Field(
        0.0,
        description="first burst of the interferer in s from where the channel starts",
    )
    interferer_length_s: Time = Field(1e-3, description="length of its bursts in s")
    interferer_period_s: Time = Field(
        0.0, description="from burst to burst in s; 0 for a single one"
    )
    gap_length_s: Time | None = Field(
        None, description="length of gaps, samples that the receiver misses, in s"
    )
    gap_rate_hz: Annotated[Finite, Field(ge=0, le=1e6)] = Field(
        0.0, description="gaps a second, at random"
    )
    gap_starts_s: tuple[Time, ...] = Field(
        (),
        description="where further gaps begin, in s from where the channel starts",
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="seed of fading, noise and gaps")

    @model_validator(mode="after")
    def _bursts_have_an_interferer(self) -> Self:
        for name in ("interferer_start_s", "interferer_length_s", "interferer_period_s"):
            asked = getattr(self, name) != type(self).model_fields[name].default
            if asked and self.interferer_db is None:
                raise ValueError(f"{name} goes with interferer_db, the power of the bursts")
        return self

    @model_validator(mode="after")
    def _taps_and_gaps_are_whole(self) -> Self:
        if (self.channel == "multipath") != bool(self.taps):
            raise ValueError("taps and channel 'multipath' go together: give both or none")
        places = self.gap_rate_hz > 0 or bool(self.gap_starts_s)
        if places != (self.gap_length_s is not None):
            raise ValueError(
                "gaps have a length and places: give gap_length_s with gap_rate_hz or, in a file, "
                "gap_starts_s"
            )
        return self

    def impairments(self) -> Impairments:
        """Of both radios.

        Raises:
            ValueError: bursts that overlap.
        """
        interferer = gaps = None
        if self.interferer_db is not None:
            interferer = Interferer(
                self.interferer_db,
                self.interferer_start_s,
                self.interferer_length_s,
                self.interferer_period_s,
            )
        if self.gap_length_s is not None:
            gaps = Gaps(self.gap_length_s, self.gap_rate_hz, self.gap_starts_s)
        return Impairments(
            saturation_db=self.saturation_db,
            iq_gain_db=self.iq_gain_db,
            iq_phase_deg=self.iq_phase_deg,
            dc_db=self.dc_db,
            interferer=interferer,
            gaps=gaps,
        )


def simulated_channel(
    config: LoopbackConfig, numerology: Numerology, radio: str
) -> tuple[LoopbackChannel, list[str]]:
    """The channel block that options ask for, and a line on each caution.

    Args:
        config: what the channel does.
        numerology: sample rate and antennas.
        radio: name of the radio that has it.

    Raises:
        RadioConfigError: a channel that does not fit the numerology, or a trace that cannot be
            read.
    """
    try:
        channel = ChannelConfig(
            snr_db=config.snr_db,
            cfo_hz=config.cfo_hz,
            delay=config.delay_samples,
            sco_ppm=config.sco_ppm,
            taps=tuple(ChannelTap(delay, complex(re, im)) for delay, re, im in config.taps),
            multipath=config.multipath(),
            impairments=config.impairments(),
        )
        block = LoopbackChannel(channel, numerology, config.seed, config.channel_continues)
        return block, channel_cautions(channel, numerology)
    except ValueError as error:
        raise RadioConfigError(f"radio {radio!r}: {error}") from error


class LoopbackRadio(Radio):
    """A channel block that is both sink and source.

    Args:
        config: what the channel does.
        numerology: sample rate and antennas.

    Raises:
        RadioConfigError: a channel that does not fit the numerology, or a trace that cannot be
            read.
    """

    name = "loopback"
    Config = LoopbackConfig
    ends_with_input = True
    has_halves = False
    radiates = False

    def __init__(
        self,
        config: RadioConfig,
        numerology: Numerology,
        corrections: Corrections | None = None,
    ) -> None:
        super().__init__(config, numerology, corrections)
        assert isinstance(config, LoopbackConfig)
        self._channel, self.cautions = simulated_channel(config, numerology, self.name)

    @property
    def sink(self) -> gr.basic_block:
        return self._channel

    @property
    def source(self) -> gr.basic_block:
        return self._channel

    def set_snr_db(self, snr_db: float) -> None:
        options = {**self.config.model_dump(), "snr_db": snr_db}
        validate_config(LoopbackConfig, self.name, options)
        self._channel.set_snr_db(snr_db)

    def transmitted(self, sent: int) -> bool:
        return self._channel.samples_in == sent

    def drained(self, sent: int, received: int) -> bool:
        return self._channel.drained(sent, received)
