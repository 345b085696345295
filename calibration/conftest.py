# SPDX-License-Identifier: GPL-3.0-or-later
"""A device whose faults are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
import pytest
from gnuradio.semcom.radios.bench import GainRange

from semcom_calibration.tone import burst_start
from semcom_phy.channel import ChannelConfig, ChannelTap, SampleChannel
from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import Numerology
from semcom_virtual.front_end import ReceiveFrontEnd, TransmitFrontEnd
from semcom_virtual.radio_model import Imperfections, RadioModel, Range

BLIND_SAMPLES = 3000
"""Range of when an untimed device begins to send."""


@dataclass
class SimulatedBench:
    """A cable from the front end of a virtual radio's transmitter to that of its receiver.

    Attributes:
        cable_db: its attenuation.
        ppm: by how much the receiver's oscillator is too slow: carrier and clock.
        delay: in samples.
        saturation_dbm: highest power of the transmitter's amplifier; None for no end.
        timed: both ends are. Else what is sent begins some time later, and what is heard is cut
            out so that what is loudest lies in the middle.
        gain_rx_slope: dB that the receive gain rises for each that is set.
        paths: ``[rx][tx]``, amplitude of each path on top of the cable's; None for one from each
            antenna to its like.
        interferer_dbm: power of a tone in the band, always there; None for none.
    """

    wrong: Imperfections = field(default_factory=Imperfections)
    cable_db: float = 60.0
    ppm: float = 0.0
    delay: float = 100.0
    saturation_dbm: float | None = None
    timed: bool = True
    gain_rx_slope: float = 1.0
    paths: tuple[tuple[complex, ...], ...] | None = None
    interferer_dbm: float | None = None
    bits: int = 12
    tx_antennas: int = 1
    rx_antennas: int = 1
    rate_hz: float = 1e6
    radio: str = "simulated"
    model: str = "simulation"
    serial: str = "1"
    gain_tx: GainRange = field(default_factory=lambda: GainRange(-60.0, 0.0, 0.25))
    gain_rx: GainRange = field(default_factory=lambda: GainRange(0.0, 70.0, 1.0))

    def __post_init__(self) -> None:
        self._kind = RadioModel(
            self.model,
            self.tx_antennas,
            self.rx_antennas,
            Range(self.gain_tx.low, self.gain_tx.high, self.gain_tx.step),
            Range(self.gain_rx.low, self.gain_rx.high, self.gain_rx.step),
            converter_bits=self.bits,
        )
        self._transmitter = TransmitFrontEnd(self._kind, self.wrong)
        self._receiver = ReceiveFrontEnd(self._kind, self.wrong, seed=1)
        self._rng = np.random.default_rng(2)
        self._tx_hz = self._rx_hz = 2.45e9
        self.gain_tx_db, self.gain_rx_db = self.gain_tx.low, self.gain_rx.low
        self.highest_gain_tx_db = self.gain_tx.low

    def __enter__(self) -> SimulatedBench:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    @property
    def freq_hz(self) -> float:
        return self._rx_hz

    def set_freq_hz(self, tx_hz: float, rx_hz: float) -> None:
        self._tx_hz, self._rx_hz = tx_hz, rx_hz

    def set_gain_tx_db(self, gain_db: float) -> float:
        assert self.gain_tx.low <= gain_db <= self.gain_tx.high
        self.gain_tx_db = gain_db
        return gain_db

    def set_gain_rx_db(self, gain_db: float) -> float:
        assert self.gain_rx.low <= gain_db <= self.gain_rx.high
        self.gain_rx_db = gain_db
        return gain_db

    def temperature_c(self) -> float | None:
        return 30.0

    def capture(self, samples: int) -> ComplexArray:
        return self._hear(np.zeros((self.rx_antennas, samples), np.complex64))

    def exchange(self, sent: ComplexArray, samples: int) -> ComplexArray:
        assert sent.shape[0] == self.tx_antennas
        assert np.abs(sent).max() <= 1
        self.highest_gain_tx_db = max(self.highest_gain_tx_db, self.gain_tx_db)
        radiated = self._radiate(sent)
        late = 0 if self.timed else samples // 2 + int(self._rng.integers(BLIND_SAMPLES))
        radiated = np.pad(radiated, ((0, 0), (late, samples + BLIND_SAMPLES)))
        signal = self._channel().process(radiated)[:, : samples + late]
        heard = self._hear(signal * np.float32(10 ** (-self.cable_db / 20)))
        if self.timed:
            return heard
        start = burst_start(heard, sent.shape[1]) - (samples - sent.shape[1]) // 2
        return heard[:, min(max(start, 0), late) :][:, :samples]

    def _radiate(self, sent: ComplexArray) -> ComplexArray:
        gains = [self.gain_tx_db] * self.tx_antennas
        radiated = self._transmitter.radiate(self._transmitter.convert(sent), gains)
        if self.saturation_dbm is None:
            return radiated
        # Rapp's amplifier of smoothness 2, C. Rapp, "Effects of HPA-nonlinearity on a 4-DPSK/OFDM
        # signal for a digital sound broadcasting system", 2nd European Conference on Satellite
        # Communications, 1991.
        relative = np.abs(radiated) / 10 ** (self.saturation_dbm / 20)
        return (radiated / (1 + relative**4) ** 0.25).astype(np.complex64)

    def _channel(self) -> SampleChannel:
        numerology = Numerology(
            sample_rate=self.rate_hz, tx_antennas=self.tx_antennas, rx_antennas=self.rx_antennas
        )
        taps = () if self.paths is None else (ChannelTap(0.0, self.paths),)
        config = ChannelConfig(
            cfo_hz=self._tx_hz - self._rx_hz * (1 - self.ppm * 1e-6),
            phase=self._rng.uniform(0, 2 * np.pi),
            delay=self.delay,
            sco_ppm=self.ppm,
            taps=taps,
        )
        return SampleChannel(config, numerology)

    def _hear(self, signal: ComplexArray) -> ComplexArray:
        count = signal.shape[1]
        if self.interferer_dbm is not None:
            turns = np.exp(2j * np.pi * 0.2 * np.arange(count))
            signal = signal + 10 ** (self.interferer_dbm / 20) * turns
        gains = [self.gain_rx_slope * self.gain_rx_db] * self.rx_antennas
        return self._receiver.receive(signal.astype(np.complex64), count, gains, self.rate_hz)


@pytest.fixture
def simulated() -> Callable[..., SimulatedBench]:
    """Makes a device, see :class:`SimulatedBench`."""
    return SimulatedBench
