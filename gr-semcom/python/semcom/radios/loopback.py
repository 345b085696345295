# SPDX-License-Identifier: GPL-3.0-or-later
"""No radio: a simulated channel in the flowgraph."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from gnuradio import gr
from gnuradio.semcom.loopback_channel import LoopbackChannel
from gnuradio.semcom.radios.base import Radio, RadioConfig, RadioConfigError, validate_config
from pydantic import Field, model_validator

from semcom_phy.channel import ChannelConfig, ChannelTap
from semcom_phy.numerology import Numerology

Finite = Annotated[float, Field(allow_inf_nan=False)]


class LoopbackConfig(RadioConfig):
    """Options of the simulated channel."""

    snr_db: Annotated[Finite, Field(ge=-30, le=100)] | None = Field(
        10.0, description="Es/N0 of the payload subcarriers in dB; none for no noise"
    )
    channel: Literal["awgn", "multipath"] = Field(
        "awgn", description="awgn: one path; multipath: the given taps"
    )
    taps: tuple[tuple[Annotated[Finite, Field(ge=0)], Finite, Finite], ...] = Field(
        (),
        description="echoes as (delay in samples, real part, imaginary part of the gain)",
    )
    cfo_hz: Finite = Field(0.0, description="carrier frequency offset in Hz")
    delay_samples: Annotated[Finite, Field(ge=0, le=1e6)] = Field(
        0.0, description="delay in samples, fractions allowed"
    )
    sco_ppm: Annotated[Finite, Field(ge=-1000, le=1000)] = Field(
        0.0, description="sampling clock offset of the receiver in ppm"
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="seed of the noise")

    @model_validator(mode="after")
    def _taps_make_multipath(self) -> Self:
        if (self.channel == "multipath") != bool(self.taps):
            raise ValueError("taps and channel 'multipath' go together: give both or none")
        return self


class LoopbackRadio(Radio):
    """A channel block that is both sink and source.

    Args:
        config: what the channel does.
        numerology: sample rate and antennas.

    Raises:
        RadioConfigError: a channel that does not fit the numerology.
    """

    name = "loopback"
    Config = LoopbackConfig
    ends_with_input = True

    def __init__(self, config: RadioConfig, numerology: Numerology) -> None:
        super().__init__(config, numerology)
        assert isinstance(config, LoopbackConfig)
        try:
            channel = ChannelConfig(
                snr_db=config.snr_db,
                cfo_hz=config.cfo_hz,
                delay=config.delay_samples,
                sco_ppm=config.sco_ppm,
                taps=tuple(ChannelTap(delay, complex(re, im)) for delay, re, im in config.taps),
            )
            self._channel = LoopbackChannel(channel, numerology, config.seed)
        except ValueError as error:
            raise RadioConfigError(f"radio 'loopback': {error}") from error

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

    def drained(self, sent: int, received: int) -> bool:
        return self._channel.drained(sent, received)
