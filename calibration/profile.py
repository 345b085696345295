# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of one device: a versioned YAML file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from gnuradio.semcom.radios.bench import Bench, GainRange
from gnuradio.semcom.radios.corrections import Corrections
from pydantic import AwareDatetime, Field, ValidationError, model_validator

from semcom_calibration.procedures import Calibration, Results
from semcom_calibration.result import Result

HOLDS_WITHIN = 0.01
"""Of the carrier frequency, either way: further off, gains and images are others."""

_SAME_RATE = 1e-3
"""Of the sample rate, either way."""

_LARGEST_BYTES = 1 << 20

_NO_LIMITS = Corrections()

_HEADING = """\
# Calibration profile of a radio, written by `ota_runner calibrate`. You may edit `limits`: the
# radio is never made to transmit beyond them. null is no limit.
"""


class ProfileError(ValueError):
    """A file that is no profile; one line that says why."""


class Gains(Result):
    """Gains that the device can be set to."""

    low_db: float
    high_db: float
    step_db: Annotated[float, Field(ge=0)]

    def range(self) -> GainRange:
        """As the bench has it."""
        return GainRange(self.low_db, self.high_db, self.step_db)


class Wiring(Result):
    """How transmitter and receiver were joined.

    Attributes:
        cabled_db: attenuation of the cable; None for antennas.
    """

    cabled_db: Annotated[float, Field(ge=0)] | None


class Limits(Result):
    """What the device must not exceed when it transmits; None for no limit.

    Attributes:
        highest_gain_tx_db: in this wiring; None also where none was tried yet.
        lowest_freq_hz, highest_freq_hz: that may be radiated.
    """

    highest_gain_tx_db: float | None = None
    lowest_freq_hz: float | None = None
    highest_freq_hz: float | None = None


class Profile(Result):
    """What is known of one device at one frequency and rate.

    Attributes:
        format: version of this file.
        radio: as in ``--radio``.
        model, serial: of the device.
        date: of the calibration.
        temperature_c: of the device then; None where it has no sensor.
        freq_hz, rate_hz: then.
        tx_antennas, rx_antennas: that were used.
        gain_tx, gain_rx: ranges of the device.
        receive_with_db: receive gain for runs, that of the SNR table.
        wiring: of the calibration.
        limits: for transmitting.
        results: of the procedures.
    """

    format: Literal[1] = 1
    radio: str
    model: str
    serial: str
    date: AwareDatetime
    temperature_c: float | None
    freq_hz: Annotated[float, Field(gt=0)]
    rate_hz: Annotated[float, Field(gt=0)]
    tx_antennas: Annotated[int, Field(ge=1, le=2)]
    rx_antennas: Annotated[int, Field(ge=1, le=2)]
    gain_tx: Gains
    gain_rx: Gains
    receive_with_db: float
    wiring: Wiring
    limits: Limits
    results: Results

    @model_validator(mode="after")
    def _results_are_of_its_antennas(self) -> Self:
        found = self.results.corrections(self.receive_with_db)
        for name, values in (("dc_offset", found.dc), ("iq_imbalance", found.image)):
            if values and len(values) != self.rx_antennas:
                raise ValueError(f"{name} is of {len(values)} antennas, not {self.rx_antennas}")
        return self

    def problem(
        self, freq_hz: float, rate_hz: float, tx_antennas: int, rx_antennas: int
    ) -> str | None:
        """Why it does not hold at another frequency, rate or number of antennas, or None."""
        if abs(freq_hz - self.freq_hz) > HOLDS_WITHIN * self.freq_hz:
            return (
                f"it is for {self.freq_hz / 1e6:g} MHz to within {HOLDS_WITHIN:.0%}, not for "
                f"{freq_hz / 1e6:g} MHz"
            )
        if abs(rate_hz - self.rate_hz) > _SAME_RATE * self.rate_hz:
            return f"it is for {self.rate_hz / 1e6:g} MS/s, not for {rate_hz / 1e6:g} MS/s"
        if (tx_antennas, rx_antennas) != (self.tx_antennas, self.rx_antennas):
            own = f"{self.tx_antennas}x{self.rx_antennas}"
            return f"it is of {own} antennas, not of {tx_antennas}x{rx_antennas}"
        return None

    def kept_by(self, bench: Bench, cabled_db: float | None) -> bool:
        """Whether what was found still holds in this wiring of a device."""
        rate_hz, antennas = bench.rate_hz, (bench.tx_antennas, bench.rx_antennas)
        return (
            (self.radio, self.serial) == (bench.radio, bench.serial)
            and self.wiring.cabled_db == cabled_db
            and self.problem(bench.freq_hz, rate_hz, *antennas) is None
        )

    def corrections(self, gain_rx_db: float | None) -> Corrections:
        """What driver and link apply; but for frequencies, see :func:`frequency_limits`.

        Args:
            gain_rx_db: receive gain; None where the device changes it, and its DC offset with it.
        """
        found = self.results.corrections(gain_rx_db)
        return replace(found, highest_gain_tx_db=self.limits.highest_gain_tx_db)


def frequency_limits(profiles: Iterable[Profile]) -> Corrections:
    """Where a device may radiate by all of its profiles: what none of them forbids.

    Args:
        profiles: of one device.

    Returns:
        The highest of the lowest frequencies and the lowest of the highest; None where no profile
        has any.
    """
    limits = [profile.limits for profile in profiles]
    lows = [one.lowest_freq_hz for one in limits if one.lowest_freq_hz is not None]
    highs = [one.highest_freq_hz for one in limits if one.highest_freq_hz is not None]
    return Corrections(
        lowest_freq_hz=max(lows, default=None), highest_freq_hz=min(highs, default=None)
    )


def make_profile(
    calibration: Calibration,
    cabled_db: float | None,
    allowed: Corrections = _NO_LIMITS,
    kept: Profile | None = None,
) -> Profile:
    """A profile of what was found of a device, as of now.

    Args:
        calibration: carried out.
        cabled_db: attenuation of the cable; None for antennas.
        allowed: frequencies that the device may radiate.
        kept: profile whose results the calibration began with; None for none.
    """
    bench = calibration.bench
    return Profile(
        radio=bench.radio,
        model=bench.model,
        serial=bench.serial,
        date=datetime.now(UTC).replace(microsecond=0),
        temperature_c=bench.temperature_c(),
        freq_hz=bench.freq_hz,
        rate_hz=bench.rate_hz,
        tx_antennas=bench.tx_antennas,
        rx_antennas=bench.rx_antennas,
        gain_tx=_gains(bench.gain_tx),
        gain_rx=_gains(bench.gain_rx),
        receive_with_db=calibration.receive_with_db,
        wiring=Wiring(cabled_db=cabled_db),
        limits=Limits(
            highest_gain_tx_db=_harmless_to_db(calibration, kept),
            lowest_freq_hz=allowed.lowest_freq_hz,
            highest_freq_hz=allowed.highest_freq_hz,
        ),
        results=calibration.found,
    )


def _gains(gains: GainRange) -> Gains:
    return Gains(low_db=gains.low, high_db=gains.high, step_db=gains.step)


def _harmless_to_db(calibration: Calibration, kept: Profile | None) -> float | None:
    """Highest transmit gain that was tried and harmed nobody; None where none was.

    It is no higher than the transmitter's compression point, nor than what the receiver takes at
    its lowest gain.
    """
    if "transmit_gain" in calibration.failed:
        return calibration.bench.gain_tx.low
    found = calibration.found
    curve = found.transmit_gain
    if curve is not None and "transmit_gain" in calibration.found_now:
        highest = curve.points[-1].set_db
        return highest if curve.compression_db is None else min(highest, curve.compression_db)
    if kept is not None and kept.limits.highest_gain_tx_db is not None:
        return kept.limits.highest_gain_tx_db
    tried = [] if found.snr_table is None else [found.snr_table.points[-1].gain_tx_db]
    if calibration.tone_gain_tx_db is not None:
        tried.append(calibration.tone_gain_tx_db)
    return max(tried, default=None)


def file_name(device: Profile | Bench) -> str:
    """Under which a profile is kept: one a device, frequency, rate and number of antennas."""
    serial = "".join(letter if letter.isalnum() else "-" for letter in device.serial)
    freq, rate = device.freq_hz / 1e6, device.rate_hz / 1e6
    antennas = f"{device.tx_antennas}x{device.rx_antennas}"
    return f"{device.radio}-{serial}-{freq:.6g}MHz-{rate:.6g}MSps-{antennas}.yaml"


def read_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        ProfileError: unreadable, not YAML, or no profile of this version.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise ProfileError(f"cannot read profile {path}: {error.strerror}") from error
    if len(text) > _LARGEST_BYTES:
        raise ProfileError(f"{path} is no profile: it is larger than {_LARGEST_BYTES} bytes")
    try:
        return Profile.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise ProfileError(
            f"{path} is no profile of format 1: {where}: {first['msg']}; make a new one with "
            "`ota_runner calibrate`"
        ) from error


def write_profile(profile: Profile, path: Path) -> None:
    """Write a profile; whoever reads at the same time sees the old one or the new one, whole.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = profile.model_dump(mode="json")
    text = _HEADING + yaml.safe_dump(plain, sort_keys=False, default_flow_style=None, width=100)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
