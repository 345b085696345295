# SPDX-License-Identifier: GPL-3.0-or-later
"""No radio: plays what was received once and recorded as SigMF."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated

from gnuradio import gr
from gnuradio.semcom.radios.base import Radio, RadioConfig, RadioConfigError
from gnuradio.semcom.radios.corrections import Corrections
from gnuradio.semcom.recorded_samples import (
    RecordedSamples,
    UnreadableRecording,
    recording_files,
)
from gnuradio.semcom.replay import Replay, ReplaySink, ReplaySource
from pydantic import AfterValidator, Field

from semcom_phy.numerology import Numerology


class SigmfConfig(RadioConfig):
    """Options of a replay."""

    recording: Annotated[Path, AfterValidator(Path.resolve)] = Field(
        description="folder of SigMF recordings to play, such as iq of a run made with "
        "--record-iq; or one SigMF file",
    )


class SigmfRadio(Radio):
    """Plays ``received-*`` of a recording; what is sent goes nowhere.

    A picture that is sent gets what the recording has of the picture of that number. Where nothing
    is connected to the sink, everything is played from the beginning.

    Args:
        config: names the recording.
        numerology: sample rate and antennas.

    Raises:
        RadioConfigError: no recording, a damaged one, or one of another waveform.
    """

    name = "sigmf"
    Config = SigmfConfig
    ends_with_input = True
    has_halves = False  # nothing goes from one to the other
    radiates = False

    def __init__(
        self,
        config: RadioConfig,
        numerology: Numerology,
        corrections: Corrections | None = None,
    ) -> None:
        super().__init__(config, numerology, corrections)
        assert isinstance(config, SigmfConfig)
        try:
            parts = [RecordedSamples(f, numerology) for f in recording_files(config.recording)]
        except UnreadableRecording as error:
            raise RadioConfigError(f"radio 'sigmf': {error}") from error
        self._replay = Replay(parts, numerology.rx_antennas)

    @cached_property
    def sink(self) -> gr.basic_block:
        return ReplaySink(self._replay, self.numerology.tx_antennas)

    @cached_property
    def source(self) -> gr.basic_block:
        return ReplaySource(self._replay, self.numerology.rx_antennas)

    @property
    def blocks(self) -> tuple[gr.basic_block, ...]:
        return tuple(vars(self)[half] for half in ("sink", "source") if half in vars(self))

    def transmitted(self, sent: int) -> bool:
        return self._replay.samples_in == sent

    def drained(self, sent: int, received: int) -> bool:
        return self._replay.drained(sent, received)
