# SPDX-License-Identifier: GPL-3.0-or-later
"""What calibration found, as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.markup import escape
from rich.table import Table

from semcom_calibration.carrier_offset import CarrierOffset
from semcom_calibration.channels import Channels
from semcom_calibration.clock_offset import ClockOffset
from semcom_calibration.dc_offset import DcOffset
from semcom_calibration.gain_curve import GainCurve
from semcom_calibration.iq_imbalance import IqImbalance
from semcom_calibration.loopback_delay import LoopbackDelay
from semcom_calibration.noise_floor import SILENCE_DBFS, NoiseFloor
from semcom_calibration.procedures import PROCEDURES
from semcom_calibration.profile import Profile
from semcom_calibration.snr_table import SnrTable


def calibration_table(profile: Profile) -> Table:
    """A row a procedure that found something."""
    table = Table(
        title=f"{profile.radio} {escape(profile.serial)} at {profile.freq_hz / 1e6:g} MHz, "
        f"{profile.rate_hz / 1e6:g} MS/s",
        title_justify="left",
    )
    table.add_column("procedure", no_wrap=True)
    table.add_column("found", overflow="fold")
    for name in PROCEDURES:
        result = getattr(profile.results, name)
        if result is not None:
            table.add_row(name.replace("_", " "), "\n".join(_LINES[name](result)))
    temperature = profile.temperature_c
    table.caption = f"receive with {profile.receive_with_db:g} dB" + (
        f"; {temperature:.1f} °C" if temperature is not None else ""
    )
    table.caption_justify = "left"
    return table


def _noise_floor(found: NoiseFloor) -> list[str]:
    return [
        f"gain {point.gain_rx_db:g} dB: "
        + ", ".join(
            f"{power:.1f} dBFS, {density:.1f} dBFS/Hz"
            if power > SILENCE_DBFS
            else "less than a step"
            for power, density in zip(point.power_dbfs, point.density_dbfs_per_hz, strict=True)
        )
        for point in found.points
    ]


def _gain(found: GainCurve) -> list[str]:
    compression = (
        f"compression by 1 dB at {found.compression_db:.1f} dB"
        if found.compression_db is not None
        else "no compression"
    )
    return [
        f"linear from {found.linear_from_db:g} to {found.linear_to_db:g} dB, "
        f"{found.slope_db_per_db:.3f} dB a dB; {compression}"
    ]


def _dc_offset(found: DcOffset) -> list[str]:
    return [
        f"gain {point.gain_rx_db:g} dB: "
        + ", ".join(
            f"{re:+.5f} {im:+.5f}j of full scale"
            for re, im in zip(point.in_phase_fs, point.quadrature_fs, strict=True)
        )
        for point in found.points
    ]


def _iq_imbalance(found: IqImbalance) -> list[str]:
    return [
        f"gain {gain:+.3f} dB, phase {phase:+.3f}°, image {image:.1f} dB"
        for gain, phase, image in zip(found.gain_db, found.phase_deg, found.image_db, strict=True)
    ]


def _carrier_offset(found: CarrierOffset) -> list[str]:
    return [f"{found.offset_hz:+.2f} Hz ± {found.deviation_hz:.2f} Hz, {found.offset_ppm:+.4f} ppm"]


def _clock_offset(found: ClockOffset) -> list[str]:
    return [f"{found.offset_ppm:+.4f} ± {found.deviation_ppm:.4f} ppm"]


def _loopback_delay(found: LoopbackDelay) -> list[str]:
    if found.deviation_samples > 1:
        return ["the device does not time both ends"]
    return [f"{found.delay_samples:.3f} ± {found.deviation_samples:.3f} samples"]


def _channels(found: Channels) -> list[str]:
    return [
        f"transmit {tx + 1} to receive {rx + 1}: {gain:+.2f} dB, "
        f"{found.phase_deg[rx][tx]:+.2f}° ± {found.deviation_deg[rx][tx]:.2f}°"
        for rx, row in enumerate(found.gain_db)
        for tx, gain in enumerate(row)
        if gain is not None and (rx, tx) != (0, 0)
    ]


def _snr_table(found: SnrTable) -> list[str]:
    first, last = found.points[0], found.points[-1]
    return [
        f"{first.snr_db:.1f} dB at a transmit gain of {first.gain_tx_db:g} dB to "
        f"{last.snr_db:.1f} dB at {last.gain_tx_db:g} dB, received with {found.gain_rx_db:g} dB"
    ]


_LINES: dict[str, Callable[[Any], list[str]]] = {
    "noise_floor": _noise_floor,
    "receive_gain": _gain,
    "transmit_gain": _gain,
    "dc_offset": _dc_offset,
    "iq_imbalance": _iq_imbalance,
    "carrier_offset": _carrier_offset,
    "clock_offset": _clock_offset,
    "loopback_delay": _loopback_delay,
    "channels": _channels,
    "snr_table": _snr_table,
}
