# SPDX-License-Identifier: GPL-3.0-or-later
"""Any radio that has a SoapySDR driver, by gr-soapy and SoapySDR: whole bursts out, a stream in."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Annotated, Any

from gnuradio import gr
from gnuradio.semcom.radios.base import (
    Radio,
    RadioConfig,
    RadioConfigError,
    RadioLostError,
    RadioOpenError,
)
from gnuradio.semcom.radios.corrections import Corrections
from gnuradio.semcom.radios.device import DeviceConfig, Finite, require_leave_to_transmit
from gnuradio.semcom.radios.gap_filler import GapFiller, samples_of_a_pause
from gnuradio.semcom.radios.progress import Progress
from gnuradio.semcom.radios.soapy_bursts import SoapyBursts
from gnuradio.semcom.radios.soapy_device import (
    RECEIVE,
    TRANSMIT,
    SoapyDevice,
    errors_of_soapy,
    find_device,
)
from gnuradio.semcom.radios.soapy_writer import SoapyWriter
from gnuradio.semcom.radios.transmit_guardian import TransmitGuardian
from gnuradio.semcom.radios.whole_bursts import full_scale
from pydantic import Field

from semcom_phy.numerology import Numerology
from semcom_phy.receiver import lookahead_samples

_LOST_S = 2.0
_UNDER_WAY_S = 0.5
"""What drivers and devices may hold of a stream in either direction: none of them tells."""

_SILENCE_MARGIN = 512


class SoapyConfig(DeviceConfig):
    """Options of a device with a SoapySDR driver."""

    device: str = Field(
        "", description="SoapySDR's arguments, such as driver=lime; default: the only device"
    )
    antenna_tx: str | None = Field(None, description="transmit connector; default: the device's")
    antenna_rx: str | None = Field(None, description="receive connector; default: the device's")
    bandwidth_hz: Annotated[Finite, Field(gt=0)] | None = Field(
        None, description="of the analogue filters in Hz; default: the device's choice"
    )
    clock_source: str | None = Field(None, description="reference clock; default: the device's")


class SoapySink(gr.hier_block2):  # type: ignore[misc]
    """Sends bursts as they come.

    Args:
        device: set up.
        antennas: channels.
        scale, silence: of :class:`gnuradio.semcom.radios.soapy_bursts.SoapyBursts`.

    Attributes:
        bursts: makes them whole.
        writer: behind it.
    """

    def __init__(self, device: SoapyDevice, antennas: int, scale: float, silence: int) -> None:
        signature = gr.io_signature(antennas, antennas, gr.sizeof_gr_complex)
        super().__init__("semcom_soapy_sink", signature, gr.io_signature(0, 0, 0))
        self.bursts = SoapyBursts(antennas, scale, silence)
        self.writer = SoapyWriter(device, antennas)
        for antenna in range(antennas):
            self.connect((self, antenna), (self.bursts, antenna), (self.writer, antenna))


class SoapySource(gr.hier_block2):  # type: ignore[misc]
    """Receives for ever; where gr-soapy tells the time, what the driver drops becomes zeros.

    Args:
        device: set up.
        antennas: channels.
        rate_hz: samples a second.

    Attributes:
        driver: gr-soapy's block.
        filler: behind it.
    """

    def __init__(self, device: SoapyDevice, antennas: int, rate_hz: float) -> None:
        signature = gr.io_signature(antennas, antennas, gr.sizeof_gr_complex)
        super().__init__("semcom_soapy_source", gr.io_signature(0, 0, 0), signature)
        self.driver = _open_source(device, antennas)
        self.driver.set_min_output_buffer(samples_of_a_pause(rate_hz))
        self.filler = GapFiller(antennas, rate_hz)
        for antenna in range(antennas):
            self.connect((self.driver, antenna), (self.filler, antenna), (self, antenna))


class SoapyRadio(Radio):
    """A device with a SoapySDR driver. Making this opens it; its ends open when asked for.

    Its limits are asked of the device itself, before a stream is set up. gr-soapy 3.10 does not
    tell what was dropped of the stream received, so that it goes on without.

    Args:
        config: options.
        numerology: sample rate and antennas.
        corrections: what calibration found of the device.

    Raises:
        RadioConfigError: an option out of range of the device.
        RadioOpenError: no such device.
    """

    name = "soapy"
    Config = SoapyConfig

    def __init__(
        self,
        config: RadioConfig,
        numerology: Numerology,
        corrections: Corrections | None = None,
    ) -> None:
        super().__init__(config, numerology, corrections)
        assert isinstance(config, SoapyConfig)
        self._options = config
        self._device = SoapyDevice(find_device(config.device))
        if config.clock_source is not None:
            with self._refused():
                self._device.set_clock_source(config.clock_source)
        self._actual: dict[str, Any] = {}
        self._sink: SoapySink | None = None
        self._source: SoapySource | None = None
        self._guardian: TransmitGuardian | None = None
        self._giving, self._taking, self._sending = Progress(), Progress(), Progress()
        self._over: tuple[int, int] | None = None  # how much was sent, how much received by then

    @property
    def sink(self) -> gr.basic_block:
        if self._sink is None:
            antennas = self.numerology.tx_antennas
            gain_db = self._gain_db(TRANSMIT, self._options.gain_tx_db)
            require_leave_to_transmit(self.name, self._options, gain_db, self.corrections)
            self._actual[TRANSMIT] = self._set_up(
                TRANSMIT, antennas, self._options.freq_hz, gain_db, self._options.antenna_tx
            )
            scale = full_scale(self._options.backoff_db, self.numerology)
            silence = lookahead_samples(self.numerology) + _SILENCE_MARGIN
            with errors_of_soapy(RadioOpenError, f"{self._device.name} cannot send"):
                self._sink = SoapySink(self._device, antennas, scale, silence)
            # The gain is set last, when somebody watches over it.
            this = {"device": self._device.arguments}
            self._guardian = TransmitGuardian(self.name, self._options.model_copy(update=this))
            self._set_gain(TRANSMIT, antennas, gain_db)
        return self._sink

    @property
    def source(self) -> gr.basic_block:
        if self._source is None:
            antennas = self.numerology.rx_antennas
            freq_hz = self._options.freq_hz + self.corrections.carrier_hz
            gain_db = self._gain_db(RECEIVE, self._options.gain_rx_db)
            self._actual[RECEIVE] = self._set_up(
                RECEIVE, antennas, freq_hz, gain_db, self._options.antenna_rx
            )
            self._set_gain(RECEIVE, antennas, gain_db)
            self._source = SoapySource(self._device, antennas, self._actual[RECEIVE]["rate_hz"])
        return self._source

    def _set_up(
        self, end: str, antennas: int, freq_hz: float, gain_db: float, antenna: str | None
    ) -> dict[str, Any]:
        rate_hz, bandwidth_hz = self.numerology.sample_rate, self._options.bandwidth_hz
        with self._refused():
            return self._device.set_up(
                end, antennas, rate_hz, freq_hz, gain_db, antenna, bandwidth_hz
            )

    def _gain_db(self, end: str, asked_db: float | None) -> float:
        if asked_db is not None:
            return asked_db
        with self._refused():
            return self._device.default_gain_db(end)

    def _set_gain(self, end: str, antennas: int, gain_db: float) -> None:
        with self._refused():
            self._actual[end]["gain_db"] = self._device.set_gain(end, antennas, gain_db)

    def _refused(self) -> AbstractContextManager[None]:
        return errors_of_soapy(RadioConfigError, f"radio 'soapy': {self._device.name}")

    @property
    def blocks(self) -> tuple[gr.basic_block, ...]:
        return tuple(end for end in (self._sink, self._source) if end is not None)

    @classmethod
    def serial_number(cls, config: RadioConfig) -> str | None:
        assert isinstance(config, SoapyConfig)
        return find_device(config.device).get("serial")

    @classmethod
    def switch_off(cls, config: RadioConfig) -> None:
        """Open the device anew and turn its transmitters off.

        Raises:
            RadioOpenError: it cannot be opened, or does not answer.
        """
        assert isinstance(config, SoapyConfig)
        device = SoapyDevice(find_device(config.device))
        with errors_of_soapy(RadioOpenError, f"{device.name} cannot be turned off"):
            device.turn_off()

    def transmitted(self, sent: int) -> bool:
        if self._sink is None or not self._has_taken(sent):
            return False
        return self._sending.stalled_s(self._sink.bursts.samples_out) > _UNDER_WAY_S

    def drained(self, sent: int, received: int) -> bool:
        if self._source is None:
            return False
        if self._sink is not None and not self._has_taken(sent):
            return False
        if self._over is None or self._over[0] != sent:
            self._over = sent, received
        return received - self._over[1] > 2 * _UNDER_WAY_S * self.numerology.sample_rate

    def _has_taken(self, sent: int) -> bool:
        """Whether the driver has all of it; there is nothing else to ask."""
        sink = self._sink
        assert sink is not None
        taken = int(sink.writer.nitems_read(0))
        return (
            sink.bursts.samples_in >= sent and sink.bursts.idle and taken == sink.bursts.samples_out
        )

    def _count_events(self) -> None:
        if self._sink is not None:
            self.events.underflow = self._sink.writer.underflow
            self.events.late = self._sink.writer.late
        if self._source is not None:
            self.events.overflow = self._source.filler.gaps

    def check(self) -> None:
        self._count_events()
        stalled_s = [0.0]
        if self._source is not None:
            given = int(self._source.driver.nitems_written(0))
            hungry = self._source.filler.samples_in == given
            stalled_s.append(self._giving.stalled_s(given, hungry))
        if self._sink is not None:
            taken = int(self._sink.writer.nitems_read(0))
            behind = taken < self._sink.bursts.samples_out
            stalled_s.append(self._taking.stalled_s(taken, behind))
        if max(stalled_s) > _LOST_S:
            self.events.lost_device = 1
            raise RadioLostError(
                f"{self._device.name} has stood still for {max(stalled_s):.0f} s: look at its "
                "power and cable"
            )

    def close(self) -> None:
        if self._sink is None:
            return
        try:
            self._device.turn_off()
        except RuntimeError:
            return  # it is lost: the guardian tries when this program has ended
        if self._guardian is not None:
            self._guardian.dismiss()

    def describe(self) -> dict[str, Any]:
        self._count_events()
        device = {"name": self._device.name, **self._device.found, **self._actual}
        return {**super().describe(), "device": device}


def _open_source(device: SoapyDevice, antennas: int) -> gr.basic_block:
    """gr-soapy's source on a device that is open and set up."""
    try:
        from gnuradio import soapy
    except ImportError as error:
        raise RadioOpenError(
            "gr-soapy cannot be imported: install GNU Radio with SoapySDR (package gnuradio)"
        ) from error
    each = [""] * antennas
    try:
        source = soapy.source(device.arguments, "fc32", antennas, "", "", each, each)
    except (RuntimeError, ValueError) as error:
        raise RadioOpenError(f"gr-soapy cannot use {device.name}: {error}") from error
    source.set_log_level("off")
    return source
