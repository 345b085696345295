# SPDX-License-Identifier: GPL-3.0-or-later
"""Every procedure finds what was put into a simulated device."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gnuradio.semcom.radios.bench import GainRange
from gnuradio.semcom.radios.corrections import Corrections

from semcom_calibration import snr_table
from semcom_calibration.cautions import cautions
from semcom_calibration.gains import raise_gain_tx
from semcom_calibration.procedures import PROCEDURES, Calibration, with_needs
from semcom_calibration.profile import Limits, make_profile
from semcom_calibration.tone import exchange, hear_tone
from semcom_phy.receiver import Receiver
from semcom_virtual.radio_model import Imperfections

Simulated = Callable[..., Any]

WRONG = Imperfections(
    tx_iq_gain_db=-0.4,
    tx_iq_phase_deg=3.0,
    rx_iq_gain_db=0.5,
    rx_iq_phase_deg=-2.0,
    rx_dc=0.01 - 0.02j,
    tx_channel_gain_db=-0.5,
    tx_channel_phase_deg=-70.0,
    rx_channel_gain_db=1.5,
    rx_channel_phase_deg=40.0,
)

THERMAL_DBM = -173.975 + 60 + 3
"""Noise of a simulated receiver in 1 MHz."""


def calibrated(bench: Any, *names: str, **others: Any) -> Calibration:
    calibration = Calibration(bench, 12.0, **others)
    calibration.run(names or PROCEDURES, lambda name: None)
    return calibration


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """Room for the result of a long calibration, which several tests look at."""
    return {}


@pytest.fixture
def two_antennas(simulated: Simulated, whole: dict[str, Any]) -> Calibration:
    """All procedures on a device with two antennas at either end, each joined to each."""
    if not whole:
        paths = ((1.0 + 0j, 0.8j), (0.5 + 0j, -1.0 + 0j))
        bench = simulated(
            wrong=WRONG,
            ppm=3.0,
            delay=123.4,
            saturation_dbm=5.0,
            paths=paths,
            tx_antennas=2,
            rx_antennas=2,
        )
        whole["found"] = calibrated(bench)
    found: Calibration = whole["found"]
    assert found.failed == {}
    return found


def test_noise_floor(two_antennas: Calibration) -> None:
    noise = two_antennas.found.noise_floor
    assert noise is not None
    for point in noise.points:
        thermal = 10 ** ((THERMAL_DBM + point.gain_rx_db) / 10)
        step = 2 * 2.0**-22 / 12  # both parts' rounding
        if thermal > 4 * step:
            branches = (1 + 10 ** (WRONG.rx_iq_gain_db / 10)) / 2
            expected = 10 * math.log10(thermal * branches + step)
            assert point.power_dbfs == pytest.approx([expected] * 2, abs=0.15)
            assert point.density_dbfs_per_hz == pytest.approx([expected - 60] * 2, abs=0.15)
    assert noise.least_useful_gain_db() == two_antennas.receive_with_db == 50.0
    assert noise.heard_others(1e6) == []


def test_gain_curves(two_antennas: Calibration) -> None:
    receive, transmit = two_antennas.found.receive_gain, two_antennas.found.transmit_gain
    assert receive is not None
    assert transmit is not None
    for curve in (receive, transmit):
        assert curve.slope_db_per_db == pytest.approx(1, abs=0.01)
    # The converter clips at 0 dBFS either part; by 1 dB a little above.
    assert receive.compression_dbfs == pytest.approx(0.9, abs=0.3)
    # A tone of -6 dBFS, 7 dBm at full scale and 0 dB, in an amplifier that ends at 5 dBm: at the
    # highest gain 10 log10((1 + 10^(-0.8))^0.5) less.
    short = 5 * math.log10(1 + 10 ** (2 * (1 - 5) / 10))
    last = transmit.points[-1]
    assert last.set_db + transmit.offset_db - last.measured_db == pytest.approx(short, abs=0.1)
    assert transmit.compression_db is None


def test_dc_offset(two_antennas: Calibration) -> None:
    dc = two_antennas.found.dc_offset
    assert dc is not None
    assert dc.at(50.0) == pytest.approx([WRONG.rx_dc] * 2, abs=3e-5)
    # Without noise the converter's step of 2^-11 remains.
    for point in dc.points:
        assert point.in_phase_fs == pytest.approx([0.01] * 2, abs=2.0**-11)
        assert point.quadrature_fs == pytest.approx([-0.02] * 2, abs=2.0**-11)


def test_iq_imbalance(two_antennas: Calibration) -> None:
    """The transmitter's own imbalance does not mix in."""
    iq = two_antennas.found.iq_imbalance
    assert iq is not None
    assert iq.gain_db == pytest.approx([0.5] * 2, abs=0.01)
    assert iq.phase_deg == pytest.approx([-2.0] * 2, abs=0.05)
    branch = 10 ** (0.5 / 20) * np.exp(-1j * np.deg2rad(2.0))
    assert iq.correction == pytest.approx([(1 - branch) / (1 + branch)] * 2, abs=5e-4)


def test_clocks(two_antennas: Calibration) -> None:
    carrier, clock = two_antennas.found.carrier_offset, two_antennas.found.clock_offset
    assert carrier is not None
    assert clock is not None
    assert carrier.offset_hz == pytest.approx(3e-6 * 2.45e9, abs=0.5)
    assert carrier.offset_ppm == pytest.approx(3.0, abs=1e-3)
    assert clock.offset_ppm == pytest.approx(3.0, abs=0.02)
    assert clock.deviation_ppm < 0.02


def test_loopback_delay(two_antennas: Calibration) -> None:
    delay = two_antennas.found.loopback_delay
    assert delay is not None
    assert delay.delay_samples == pytest.approx(123.4, abs=0.01)
    assert delay.deviation_samples < 0.01


def test_channels(two_antennas: Calibration) -> None:
    channels = two_antennas.found.channels
    assert channels is not None
    transmit = np.array([1.0, 10 ** (-0.5 / 20) * np.exp(-1j * np.deg2rad(70))])
    receive = np.array([1.0, 10 ** (1.5 / 20) * np.exp(1j * np.deg2rad(40))])
    expected = np.array([[1.0, 0.8j], [0.5, -1.0]]) * receive[:, None] * transmit
    gain, phase = np.array(channels.gain_db, float), np.array(channels.phase_deg, float)
    found = 10 ** (gain / 20) * np.exp(1j * np.deg2rad(phase))
    assert found == pytest.approx(expected, abs=5e-3)
    assert np.array(channels.deviation_deg).max() < 0.1


def test_snr_table(simulated: Simulated) -> None:
    """The SNR is that of the noise, the converters' steps and the amplifier's end."""
    table = calibrated(
        simulated(wrong=Imperfections(rx_dc=0.02)), "noise_floor", "dc_offset", "snr_table"
    ).found.snr_table
    assert table is not None
    for point in table.points:
        # Es is the RMS over the share of active carriers; cable 60 dB, backed off 12 dB.
        signal_dbm = 7 + point.gain_tx_db - 12 - 60 - 10 * math.log10(100 / 128)
        transmit_steps = signal_dbm + 12 + 10 * math.log10(2 * 2.0**-22 / 12)
        receive_steps = 10 * math.log10(2 * 2.0**-22 / 12) - table.gain_rx_db
        noises = (THERMAL_DBM, transmit_steps, receive_steps)
        expected = signal_dbm - 10 * math.log10(sum(10 ** (noise / 10) for noise in noises))
        assert point.snr_db == pytest.approx(expected, abs=0.5)
    assert table.points[0].snr_db < 0
    assert table.points[-1].snr_db > 40
    gain_db = table.gain_tx_db(10.0)
    assert gain_db is not None
    assert gain_db == pytest.approx(10 + THERMAL_DBM + 64, abs=0.5)
    assert table.gain_tx_db(table.points[-1].snr_db + 1) is None


@pytest.mark.parametrize("antennas", [(1, 2), (2, 1), (2, 2)])
def test_snr_table_of_several_antennas(simulated: Simulated, antennas: tuple[int, int]) -> None:
    """It has the SNR of the symbols behind the equaliser, as they scatter."""
    tx, rx = antennas
    paths = tuple(tuple(1.0 + 0j if r == t else 0.3j for t in range(tx)) for r in range(rx))
    bench = simulated(tx_antennas=tx, rx_antennas=rx, paths=paths)
    table = calibrated(bench, "snr_table", gain_rx_db=50.0).found.snr_table
    assert table is not None
    gain_db = table.gain_tx_db(14.0)
    assert gain_db is not None
    bench.set_gain_tx_db(gain_db)
    numerology = snr_table._waveform(bench)
    receiver = Receiver(numerology)
    heard = exchange(bench, snr_table._frames(numerology, 12.0))
    frames = receiver.push(heard) + receiver.flush()
    symbols = np.concatenate([frame.payload.ravel() for frame in frames])
    sent = (np.sign(symbols.real) + 1j * np.sign(symbols.imag)) / np.sqrt(2)
    scatter_db = -10 * np.log10(np.mean(np.abs(symbols - sent) ** 2))
    assert scatter_db == pytest.approx(14.0, abs=0.5)


def test_what_is_measured_in_silence_is_at_the_lowest_gain(simulated: Simulated) -> None:
    bench = simulated()
    gains = []
    capture = bench.capture

    def watched(samples: int) -> Any:
        gains.append(bench.gain_tx_db)
        return capture(samples)

    bench.capture = watched
    for name in ("noise_floor", "dc_offset"):
        bench.set_gain_tx_db(-10.0)
        calibrated(bench, name, gain_rx_db=50.0)
    assert set(gains) == {bench.gain_tx.low}


def test_some_procedures_anew(simulated: Simulated) -> None:
    """What is not carried out stays; what fails does not."""
    bench = simulated()
    first = calibrated(bench, "noise_floor", "iq_imbalance", "snr_table")
    assert make_profile(first, 60.0).limits.highest_gain_tx_db == 0.0
    old = make_profile(first, 60.0).model_copy(update={"limits": Limits(highest_gain_tx_db=-7.0)})
    bench.cable_db = 250.0
    again = Calibration(bench, 12.0, results=dict(first.results))
    again.run(["noise_floor", "iq_imbalance"], lambda name: None)
    assert again.found_now == {"noise_floor"}
    assert again.results.keys() == {"noise_floor", "snr_table"}
    assert again.results["snr_table"] is first.results["snr_table"]
    allowed = Corrections(lowest_freq_hz=2.4e9)
    new = make_profile(again, 60.0, allowed, old)
    assert new.limits == Limits(highest_gain_tx_db=-7.0, lowest_freq_hz=2.4e9)
    assert new.receive_with_db == old.receive_with_db


def test_the_limit_is_no_gain_that_was_not_tried(simulated: Simulated) -> None:
    silent = calibrated(simulated(), "noise_floor", "dc_offset")
    assert make_profile(silent, 60.0).limits.highest_gain_tx_db is None
    clipping = calibrated(simulated(cable_db=30.0), "snr_table", gain_rx_db=50.0)
    table, limits = clipping.found.snr_table, make_profile(clipping, 30.0).limits
    assert table is not None
    assert table.overloaded_db is not None
    assert limits.highest_gain_tx_db is not None
    assert limits.highest_gain_tx_db < table.overloaded_db
    toned = simulated(cable_db=30.0)
    limits = make_profile(calibrated(toned, "iq_imbalance", gain_rx_db=50.0), 30.0).limits
    assert limits.highest_gain_tx_db == toned.highest_gain_tx_db < 0


def test_a_device_that_cannot_time(simulated: Simulated) -> None:
    names = ("carrier_offset", "clock_offset", "loopback_delay", "receive_gain", "snr_table")
    found = calibrated(simulated(ppm=-2.0, timed=False), *names, gain_rx_db=50.0)
    results = found.found
    assert results.clock_offset is not None
    assert results.clock_offset.offset_ppm == pytest.approx(-2.0, abs=0.02)
    assert results.loopback_delay is not None
    assert results.loopback_delay.deviation_samples > 1
    assert results.receive_gain is not None
    assert results.receive_gain.slope_db_per_db == pytest.approx(1, abs=0.01)
    assert found.failed == {}


def test_without_a_cable(simulated: Simulated) -> None:
    found = calibrated(simulated(cable_db=250.0))
    assert set(found.results) == {"noise_floor", "dc_offset"}
    assert found.failed["receive_gain"].startswith("no signal")
    assert found.failed["transmit_gain"] == "needs receive_gain"


def test_too_little_attenuation(simulated: Simulated) -> None:
    """The transmit gain goes no further than the receiver takes."""
    bench = simulated(cable_db=0.0, gain_rx=GainRange(10.0, 70.0, 1.0))
    found = calibrated(bench, "transmit_gain")
    transmit = found.found.transmit_gain
    assert transmit is not None
    assert transmit.receiver_overloaded_db is not None
    # A tone of -6 dBFS at 7 dBm and a full scale of -10 dBm: over -3 dBFS from -14 dB on.
    assert transmit.receiver_overloaded_db == pytest.approx(-14 + 3, abs=3)
    assert bench.highest_gain_tx_db == transmit.receiver_overloaded_db
    limits = make_profile(found, None).limits
    assert limits.highest_gain_tx_db is not None
    assert limits.highest_gain_tx_db < transmit.receiver_overloaded_db
    assert any("too little attenuation" in line for line in cautions(found.found, 1e6))


def test_frames_that_clip(simulated: Simulated) -> None:
    found = calibrated(simulated(cable_db=30.0), "snr_table", gain_rx_db=50.0).found
    assert found.snr_table is not None
    assert found.snr_table.overloaded_db is not None
    # RMS at the converter: 7 - 12 - 30 + 50 dBFS at a gain of 0 dB. A thousandth of Gaussian
    # samples clips in either part 8 dB above the RMS; the table's gains are 4 dB apart.
    assert found.snr_table.overloaded_db == pytest.approx(-15 - 8 + 2, abs=2)
    assert found.snr_table.points[-1].gain_tx_db < found.snr_table.overloaded_db
    assert any(line.startswith("clipping") for line in cautions(found, 1e6))


def test_a_receiver_whose_gain_is_not_what_is_set(simulated: Simulated) -> None:
    """It does not show in the transmitter's, measured over it."""
    found = calibrated(simulated(gain_rx_slope=0.95, cable_db=30.0), "transmit_gain").found
    assert found.receive_gain is not None
    assert found.receive_gain.slope_db_per_db == pytest.approx(0.95, abs=0.02)
    assert found.transmit_gain is not None
    assert found.transmit_gain.slope_db_per_db == pytest.approx(1.0, abs=0.01)


def test_a_long_way_up_to_the_first_tone(simulated: Simulated) -> None:
    bench = simulated(cable_db=110.0)
    bench.set_gain_rx_db(70.0)
    assert raise_gain_tx(bench, -12.0) == bench.gain_tx_db == 0.0
    tone = hear_tone(bench)
    assert tone is not None
    assert tone.level_dbfs() == pytest.approx(7 - 6 - 110 + 70, abs=1.0)


def test_nothing_is_sent_above_the_highest_gain(simulated: Simulated) -> None:
    bench = simulated(gain_tx=GainRange(-60.0, -20.0, 0.25))
    calibration = calibrated(bench, "transmit_gain", "iq_imbalance", "snr_table")
    assert calibration.failed == {}
    assert bench.highest_gain_tx_db <= -20.0
    assert make_profile(calibration, 60.0).limits.highest_gain_tx_db == -20.0


def test_compression_limits_the_gain(simulated: Simulated) -> None:
    """Rapp's amplifier of smoothness 2 is 1 dB down where (A/sat)^4 is 10^(0.2) - 1."""
    calibration = calibrated(simulated(saturation_dbm=-5.0), "transmit_gain")
    transmit = calibration.found.transmit_gain
    assert transmit is not None
    expected = -5.0 + 5 * math.log10(10**0.2 - 1) - 1
    assert transmit.compression_db == pytest.approx(expected, abs=0.3)
    assert make_profile(calibration, 60.0).limits.highest_gain_tx_db == transmit.compression_db
    assert any(line.startswith("compression") for line in cautions(calibration.found, 1e6))


def test_others_are_heard(simulated: Simulated) -> None:
    found = calibrated(simulated(interferer_dbm=-90.0), "noise_floor", "dc_offset").found
    assert found.noise_floor is not None
    assert found.noise_floor.heard_others(1e6)[-1] == 70.0
    # They do not change what the receiver is said to add.
    assert found.noise_floor.least_useful_gain_db() == 50.0
    assert any("while nothing is sent" in line for line in cautions(found, 1e6))


def test_images_and_offsets_that_are_large(simulated: Simulated) -> None:
    # Without an offset of the carrier, the transmitter's image would lie on the receiver's.
    wrong = Imperfections(rx_iq_gain_db=1.0, tx_iq_gain_db=-0.7, rx_dc=0.1)
    found = calibrated(simulated(wrong=wrong), "dc_offset", "iq_imbalance", gain_rx_db=50.0).found
    said = " ".join(cautions(found, 1e6))
    assert "DC offset is 0.100" in said
    assert "image is only 24.8 dB" in said


def test_what_a_procedure_needs() -> None:
    assert with_needs(["loopback_delay"]) == ("carrier_offset", "loopback_delay")
    assert with_needs(PROCEDURES) == PROCEDURES
    with pytest.raises(ValueError, match="no procedure 'gain': there are noise_floor, "):
        with_needs(["gain"])
