# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a run that concern antennas: streams, precoding, feedback of the channel."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from semcom_phy.power_allocation import PowerRule

_OF_PRECODING = ("stream_power", "csi_bits", "csi_error")


class MimoOptions(BaseModel):
    """How several antennas are used; a run's options inherit these."""

    antennas: Annotated[
        Literal["1x1", "1x2", "2x1", "2x2"],
        Field(description="antennas, transmit x receive: 1x1, 1x2, 2x1 or 2x2"),
    ] = "1x1"
    streams: Annotated[
        int,
        Field(
            ge=1,
            le=2,
            description="spatial streams on which a scheme's symbols take turns, 1 or 2",
        ),
    ] = 1
    precoder: Annotated[
        Literal["none", "svd", "pcen"],
        Field(
            description="what maps streams to antennas by the channel fed back: none, svd or pcen"
        ),
    ] = "none"
    stream_power: Annotated[
        PowerRule,
        Field(description="power of the streams of svd: equal, water-filling or least-error"),
    ] = "least-error"
    csi_bits: Annotated[
        int,
        Field(
            ge=0,
            le=12,
            description="bits of each real number of the channel fed back, 2 to 12; 0 for no "
            "quantiser",
        ),
    ] = 6
    csi_error: Annotated[
        float,
        Field(
            ge=0,
            le=10,
            description="variance of an error of the channel fed back, relative to its power",
        ),
    ] = 0.0

    @model_validator(mode="after")
    def _antennas_fit_what_they_are_for(self) -> Self:
        if self.streams == 2 and self.antennas != "2x2":
            raise ValueError(
                f"--streams 2 needs two antennas at both ends, not {self.antennas}: "
                "use --antennas 2x2"
            )
        if self.precoder != "none" and not self.antennas.startswith("2x"):
            raise ValueError(
                f"--precoder {self.precoder} needs two transmit antennas, not {self.antennas}: "
                "use --antennas 2x1 or 2x2"
            )
        if self.precoder == "pcen" and self.streams != 2:
            raise ValueError("--precoder pcen is made for two streams: use --streams 2")
        if self.csi_bits == 1:
            raise ValueError("--csi-bits 1 is too few: choose 2 to 12, or 0 for no quantiser")
        return self

    @model_validator(mode="after")
    def _csi_is_used(self) -> Self:
        of = {name: MimoOptions.model_fields[name].default for name in _OF_PRECODING}
        for name, default in of.items():
            if getattr(self, name) != default and self.precoder == "none":
                dashed = name.replace("_", "-")
                raise ValueError(f"--{dashed} goes with --precoder svd or pcen")
        if self.stream_power != of["stream_power"] and self.precoder == "pcen":
            raise ValueError("--stream-power goes with --precoder svd: pcen brings its own powers")
        return self
