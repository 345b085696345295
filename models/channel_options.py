# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a simulated channel, for every radio that has one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from semcom_phy.named_channels import (
    DELAY_SPREAD_S,
    FADING_NAMES,
    RICIAN_K_DB,
    TRACE,
    named_channel,
)
from semcom_phy.tap_process import Multipath
from semcom_phy.tdl import LARGEST_DELAY_SPREAD_S, LARGEST_DOPPLER_HZ, TDL_NAMES

_ONLY_WITH = {
    "delay_spread_s": TDL_NAMES,
    "doppler_hz": FADING_NAMES,
    "rician_k_db": ("rician",),
}


class ChannelOptions(BaseModel):
    """Which channel; a radio's options inherit these."""

    CHANNELS: ClassVar[tuple[str, ...]] = ("awgn", *FADING_NAMES)
    """What a radio's channel can be called, traces aside."""

    channel: Annotated[
        str,
        Field(
            description="awgn: one path; rayleigh, rician: one that fades; tdl-a to tdl-e: tapped "
            "delay lines of 3GPP TR 38.901; trace:FILE: a channel recorded or generated"
        ),
    ] = "awgn"
    delay_spread_s: Annotated[
        float | None,
        Field(
            ge=0,
            le=LARGEST_DELAY_SPREAD_S,
            allow_inf_nan=False,
            description="RMS delay spread of tdl-a to tdl-e in s; default 1e-7",
        ),
    ] = None
    doppler_hz: Annotated[
        float | None,
        Field(
            ge=0,
            le=LARGEST_DOPPLER_HZ,
            allow_inf_nan=False,
            description="largest Doppler shift of a fading channel in Hz; default 0, which draws "
            "a channel for each picture",
        ),
    ] = None
    rician_k_db: Annotated[
        float | None,
        Field(
            ge=-40, le=40, allow_inf_nan=False, description="K-factor of rician in dB; default 6"
        ),
    ] = None

    channel_continues: Annotated[
        bool,
        Field(
            description="one channel for all pictures, which goes on from each to the next, in the "
            "place of one for each"
        ),
    ] = False

    @field_validator("channel")
    @classmethod
    def _a_channel_there_is(cls, channel: str) -> str:
        if channel.startswith(TRACE):
            # The run's folder may be gone on with from anywhere.
            return TRACE + str(Path(channel.removeprefix(TRACE)).resolve())
        if channel not in cls.CHANNELS:
            raise ValueError(
                f"no channel '{channel}', choose one of: {', '.join(cls.CHANNELS)}, trace:FILE"
            )
        return channel

    @model_validator(mode="after")
    def _options_fit_the_channel(self) -> Self:
        for name, channels in _ONLY_WITH.items():
            if getattr(self, name) is not None and self.channel not in channels:
                raise ValueError(
                    f"{name} goes with channel {' or '.join(channels)}, not with '{self.channel}'"
                )
        return self

    def multipath(self) -> Multipath | None:
        """The fading channel or trace that is asked for, None for neither.

        Raises:
            ValueError: a file that is no trace, or cannot be read.
        """
        if self.channel not in FADING_NAMES and not self.channel.startswith(TRACE):
            return None
        return named_channel(
            self.channel,
            DELAY_SPREAD_S if self.delay_spread_s is None else self.delay_spread_s,
            self.doppler_hz or 0.0,
            RICIAN_K_DB if self.rician_k_db is None else self.rician_k_db,
        )
