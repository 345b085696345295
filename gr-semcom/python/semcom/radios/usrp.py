# SPDX-License-Identifier: GPL-3.0-or-later
"""USRPs, by gr-uhd: timed bursts out, a stream that keeps time in."""

from __future__ import annotations

from typing import Any

from gnuradio import gr
from gnuradio.semcom.radios.base import Radio, RadioConfig, RadioLostError
from gnuradio.semcom.radios.corrections import Corrections
from gnuradio.semcom.radios.device import require_leave_to_transmit
from gnuradio.semcom.radios.progress import Progress
from gnuradio.semcom.radios.transmit_guardian import TransmitGuardian
from gnuradio.semcom.radios.usrp_config import UsrpConfig, choose_usrp, find_usrp
from gnuradio.semcom.radios.usrp_streams import UsrpSettings, UsrpSink, UsrpSource
from gnuradio.semcom.radios.whole_bursts import full_scale

from semcom_phy.numerology import Numerology

_TOLD = ("product", "serial", "type", "addr", "fw_version", "fpga_version")
_ASK_S = 0.5  # of silence, after which the device is asked for its time
_LOST_S = 2.0
_MARGIN_S = 0.02
"""For what is still under way to or from the antenna when a burst ends."""


class UsrpRadio(Radio):
    """A USRP. Making this finds it and checks limits; its ends open when they are asked for.

    Args:
        config: options.
        numerology: sample rate and antennas.
        corrections: what calibration found of the device.

    Raises:
        RadioConfigError: an option out of range of the device.
        RadioOpenError: no such device.
    """

    name = "usrp"
    Config = UsrpConfig

    def __init__(
        self,
        config: RadioConfig,
        numerology: Numerology,
        corrections: Corrections | None = None,
    ) -> None:
        super().__init__(config, numerology, corrections)
        assert isinstance(config, UsrpConfig)
        self._options = config
        self._chosen = choose_usrp(
            config, numerology.sample_rate, numerology.tx_antennas, numerology.rx_antennas
        )
        self._sink: UsrpSink | None = None
        self._source: UsrpSource | None = None
        self._guardian: TransmitGuardian | None = None
        self._giving, self._taking = Progress(), Progress()
        self._told: tuple[int, float] | None = None  # how much the other program sent, and when

    @property
    def sink(self) -> gr.basic_block:
        if self._sink is None:
            gain_db = self._chosen.gain_tx_db
            require_leave_to_transmit(self.name, self._options, gain_db, self.corrections)
            settings = self._settings(
                self.numerology.tx_antennas,
                self._options.freq_hz,
                gain_db,
                self._options.antenna_tx,
            )
            scale = full_scale(self._options.backoff_db, self.numerology)
            self._sink = UsrpSink(settings, self._options.burst_lead_s, scale)
            # Now it is ours; its gain is set last, when somebody watches over it.
            serial = {"serial": self._chosen.found.get("serial", self._options.serial)}
            self._guardian = TransmitGuardian(self.name, self._options.model_copy(update=serial))
            self._sink.turn_on()
        return self._sink

    @property
    def source(self) -> gr.basic_block:
        if self._source is None:
            settings = self._settings(
                self.numerology.rx_antennas,
                self._options.freq_hz + self.corrections.carrier_hz,
                self._chosen.gain_rx_db,
                self._options.antenna_rx,
            )
            self._source = UsrpSource(settings)
        return self._source

    @property
    def blocks(self) -> tuple[gr.basic_block, ...]:
        return tuple(end for end in (self._sink, self._source) if end is not None)

    def _settings(
        self, channels: int, freq_hz: float, gain_db: float, antenna: str | None
    ) -> UsrpSettings:
        options = self._options
        return UsrpSettings(
            self._chosen.address,
            channels,
            self.numerology.sample_rate,
            freq_hz,
            gain_db,
            antenna,
            options.bandwidth_hz,
            options.subdevice,
            options.clock_source,
            options.time_source,
            options.otw_format,
            options.backend,
        )

    @classmethod
    def serial_number(cls, config: RadioConfig) -> str | None:
        assert isinstance(config, UsrpConfig)
        return find_usrp(config).get("serial")

    @classmethod
    def switch_off(cls, config: RadioConfig) -> None:
        """Open the device anew and turn its transmitters off; for a process of its own.

        Raises:
            RadioOpenError: it cannot be opened.
        """
        from gnuradio.semcom.radios.usrp_bench import switch_off  # excludes gr-uhd

        assert isinstance(config, UsrpConfig)
        switch_off(config)

    def transmitted(self, sent: int) -> bool:
        sink = self._sink
        if sink is None or sink.timer.samples_in < sent or not sink.timer.idle:
            return False
        if sink.samples_taken < sink.timer.samples_out:
            return False
        # Not every device acknowledges bursts, and none does those that were late.
        return (
            sink.events.sent >= sink.timer.bursts or sink.now_s() > sink.timer.free_at_s + _MARGIN_S
        )

    def drained(self, sent: int, received: int) -> bool:
        if self._source is None:
            return False
        if self._sink is None:
            # Whatever the other program sent was on the air before it said so.
            if self._told is None or self._told[0] != sent:
                self._told = sent, self._source.now_s()
            over_s = self._told[1]
        elif self.transmitted(sent):
            over_s = self._sink.timer.free_at_s
        else:
            return False
        heard_s = self._source.filler.time_s(received)
        return heard_s is not None and heard_s > over_s + _MARGIN_S

    def check(self) -> None:
        self._count_events()
        stalled_s = self._stalled_s()
        try:
            if stalled_s > _LOST_S:
                raise RadioLostError(f"the USRP has stood still for {stalled_s:.0f} s")
            if stalled_s > _ASK_S:
                end = self._source or self._sink
                assert end is not None  # one of the two stands still
                end.now_s()
        except RadioLostError as error:
            self.events.lost_device = 1
            raise RadioLostError(
                f"{self._chosen.name} is lost ({error}): look at its power and cable"
            ) from error

    def _stalled_s(self) -> float:
        """For how long the device has not done what it should be doing; all of it, idle."""
        stalled_s = [0.0]
        if self._source is not None:
            given = self._source.samples_given
            # A host that is slow to take what was given is not the device's fault.
            hungry = self._source.filler.samples_in == given
            stalled_s.append(self._giving.stalled_s(given, hungry))
        if self._sink is not None:
            taken = self._sink.samples_taken
            behind = taken < self._sink.timer.samples_out
            stalled_s.append(self._taking.stalled_s(taken, behind))
        return max(stalled_s)

    def _count_events(self) -> None:
        if self._sink is not None:
            self.events.underflow = self._sink.events.underflow
            self.events.late = self._sink.timer.late
        if self._source is not None:
            self.events.overflow = self._source.filler.gaps
        if any(isinstance(error, RadioLostError) for error in self._errors()):
            self.events.lost_device = 1

    def _errors(self) -> list[Exception | None]:
        """Of the blocks that find out first."""
        found = [] if self._sink is None else [self._sink.timer.error]
        # gr-uhd's own blocks have none.
        return found + [getattr(end.device, "error", None) for end in self.blocks]

    def close(self) -> None:
        self._count_events()
        if self._sink is None:
            return
        try:
            self._sink.turn_off()
        except RuntimeError:
            return  # it is lost: the guardian tries when this program has ended
        if self._guardian is not None:
            self._guardian.dismiss()

    def describe(self) -> dict[str, Any]:
        self._count_events()
        ends = {"transmit": self._sink, "receive": self._source}
        device: dict[str, Any] = {"name": self._chosen.name, "model": self._chosen.model.name}
        device |= {key: self._chosen.found[key] for key in _TOLD if key in self._chosen.found}
        device |= {key: end.actual for key, end in ends.items() if end is not None}
        if self._source is not None:
            device["samples_lost"] = self._source.filler.samples_lost
        return {**super().describe(), "device": device}
