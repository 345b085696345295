# SPDX-License-Identifier: GPL-3.0-or-later
"""The procedures in their order, what each takes of those before, and what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gnuradio.semcom.radios.bench import Bench
from gnuradio.semcom.radios.corrections import Corrections

from semcom_calibration.carrier_offset import CarrierOffset, measure_carrier_offset
from semcom_calibration.channels import Channels, measure_channels
from semcom_calibration.clock_offset import ClockOffset, measure_clock_offset
from semcom_calibration.dc_offset import DcOffset, measure_dc_offset
from semcom_calibration.errors import CalibrationError
from semcom_calibration.gain_curve import GainCurve
from semcom_calibration.gains import raise_gain_tx, settable
from semcom_calibration.iq_imbalance import IqImbalance, measure_iq_imbalance
from semcom_calibration.loopback_delay import LoopbackDelay, measure_loopback_delay
from semcom_calibration.noise_floor import NoiseFloor, measure_noise_floor
from semcom_calibration.receive_gain import measure_receive_gain
from semcom_calibration.result import Result
from semcom_calibration.snr_table import SnrTable, measure_snr_table
from semcom_calibration.transmit_gain import TransmitGain, measure_transmit_gain

_TONE_DBFS = -12.0
"""Level of the tone where offsets are measured: clear of noise, and of full scale."""


class Results(Result):
    """What the procedures found, by their names in their order; None for those that did not."""

    noise_floor: NoiseFloor | None = None
    receive_gain: GainCurve | None = None
    transmit_gain: TransmitGain | None = None
    dc_offset: DcOffset | None = None
    iq_imbalance: IqImbalance | None = None
    carrier_offset: CarrierOffset | None = None
    clock_offset: ClockOffset | None = None
    loopback_delay: LoopbackDelay | None = None
    channels: Channels | None = None
    snr_table: SnrTable | None = None

    def corrections(self, gain_rx_db: float | None) -> Corrections:
        """What a receiver of that gain applies; no offset for None, a gain that changes."""
        carrier, dc, iq = self.carrier_offset, self.dc_offset, self.iq_imbalance
        return Corrections(
            carrier_hz=carrier.offset_hz if carrier else 0.0,
            dc=dc.at(gain_rx_db) if dc and gain_rx_db is not None else (),
            image=iq.correction if iq else (),
        )


PROCEDURES = tuple(Results.model_fields)
"""Names, in the order in which they are carried out."""

_NEEDS = {
    "transmit_gain": "receive_gain",
    "clock_offset": "carrier_offset",
    "loopback_delay": "carrier_offset",
    "channels": "carrier_offset",
}


def with_needs(names: Iterable[str]) -> tuple[str, ...]:
    """Procedures and those whose results they take, in their order.

    Raises:
        ValueError: a name that no procedure has.
    """
    wanted = set(names)
    unknown = sorted(wanted - set(PROCEDURES))
    if unknown:
        raise ValueError(f"no procedure {unknown[0]!r}: there are {', '.join(PROCEDURES)}")
    wanted |= {_NEEDS[name] for name in wanted if name in _NEEDS}
    return tuple(name for name in PROCEDURES if name in wanted)


@dataclass
class Calibration:
    """Carries procedures out on a device.

    Args:
        bench: of the device.
        backoff_db: of frames from full scale.
        gain_rx_db: to receive with; None for the lowest with which the receiver hears next to as
            well as it can or, where the noise is not measured, the middle of the range.

        results: name to what was found before in the same wiring; what is carried out anew takes
            the place of it.

    Attributes:
        results: name to what was found, so far.
        found_now: names of what was not found before.
        failed: name to what a procedure says that could not tell anything.
        tone_gain_tx_db: transmit gain of the tone that offsets are measured with; None for none.
    """

    bench: Bench
    backoff_db: float
    gain_rx_db: float | None = None
    results: dict[str, Result] = field(default_factory=dict)
    found_now: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    tone_gain_tx_db: float | None = None

    def run(self, names: Iterable[str], begins: Callable[[str], None]) -> None:
        """Carry procedures out, see :func:`with_needs`.

        Args:
            names: of procedures.
            begins: called with the name of each as it begins.
        """
        names = with_needs(names)
        for name in names:
            self.results.pop(name, None)
        for name in names:
            if name == "channels" and self.bench.tx_antennas == self.bench.rx_antennas == 1:
                continue
            need = _NEEDS.get(name)
            if need in self.failed:
                self.failed[name] = f"needs {need}"
                continue
            begins(name)
            try:
                self.results[name] = getattr(self, f"_{name}")()
                self.found_now.add(name)
            except CalibrationError as error:
                self.failed[name] = str(error)

    @property
    def found(self) -> Results:
        """The results so far."""
        return Results.model_validate(self.results)

    @property
    def receive_with_db(self) -> float:
        """Receive gain for runs: that of the SNR table, where there is one."""
        if self.gain_rx_db is not None:
            return self.gain_rx_db
        noise, gains = self.results.get("noise_floor"), self.bench.gain_rx
        table = self.results.get("snr_table")
        if isinstance(table, SnrTable):
            return table.gain_rx_db
        if isinstance(noise, NoiseFloor):
            return noise.least_useful_gain_db()
        return settable(gains, (gains.low + gains.high) / 2)

    def _noise_floor(self) -> NoiseFloor:
        return measure_noise_floor(self.bench)

    def _receive_gain(self) -> GainCurve:
        return measure_receive_gain(self.bench)

    def _transmit_gain(self) -> TransmitGain:
        receive = self.results["receive_gain"]
        assert isinstance(receive, GainCurve)
        return measure_transmit_gain(self.bench, receive)

    def _dc_offset(self) -> DcOffset:
        return measure_dc_offset(self.bench, self.receive_with_db)

    def _iq_imbalance(self) -> IqImbalance:
        self._set_tone()
        return measure_iq_imbalance(self.bench)

    def _carrier_offset(self) -> CarrierOffset:
        self._set_tone()
        return measure_carrier_offset(self.bench)

    def _clock_offset(self) -> ClockOffset:
        return measure_clock_offset(self.bench, self._carrier_hz)

    def _loopback_delay(self) -> LoopbackDelay:
        return measure_loopback_delay(self.bench, self._carrier_hz)

    def _channels(self) -> Channels:
        return measure_channels(self.bench, self._carrier_hz)

    def _snr_table(self) -> SnrTable:
        gain_rx_db = self.receive_with_db
        found = self.found.corrections(gain_rx_db)
        return measure_snr_table(self.bench, gain_rx_db, self.backoff_db, found)

    @property
    def _carrier_hz(self) -> float:
        carrier = self.results["carrier_offset"]
        assert isinstance(carrier, CarrierOffset)
        return carrier.offset_hz

    def _set_tone(self) -> None:
        """Gains with which a tone arrives well."""
        if self.tone_gain_tx_db is None:
            self.bench.set_gain_rx_db(self.receive_with_db)
            self.tone_gain_tx_db = raise_gain_tx(self.bench, _TONE_DBFS)
