# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of one device: a versioned YAML file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from gnuradio.semcom.radios.bench import GainRange
from gnuradio.semcom.radios.corrections import Corrections
from pydantic import AwareDatetime, Field, ValidationError, model_validator

from semcom_calibration.procedures import Calibration, Results
from semcom_calibration.result import Result

HOLDS_WITHIN = 0.01
"""Of the carrier frequency, either way: further off, gains and images are others."""

_SAME_RATE = 1e-3
"""Of the sample rate, either way."""

_LARGEST_BYTES = 1 << 20

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
        highest_gain_tx_db: in this wiring.
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

    def problem(self, freq_hz: float, rate_hz: float, rx_antennas: int) -> str | None:
        """Why it does not hold at another frequency or rate, or None."""
        if abs(freq_hz - self.freq_hz) > HOLDS_WITHIN * self.freq_hz:
            return (
                f"it is for {self.freq_hz / 1e6:g} MHz to within {HOLDS_WITHIN:.0%}, not for "
                f"{freq_hz / 1e6:g} MHz"
            )
        if abs(rate_hz - self.rate_hz) > _SAME_RATE * self.rate_hz:
            return f"it is for {self.rate_hz / 1e6:g} MS/s, not for {rate_hz / 1e6:g} MS/s"
        if rx_antennas > self.rx_antennas:
            return f"it is of {self.rx_antennas} receive antenna, not of {rx_antennas}"
        return None

    def corrections(self, gain_rx_db: float | None, rx_antennas: int) -> Corrections:
        """What driver and link apply; but for frequencies, see :func:`frequency_limits`.

        Args:
            gain_rx_db: receive gain; None where the device changes it, and its DC offset with it.
            rx_antennas: as many of the first.
        """
        found = self.results.corrections(gain_rx_db)
        return Corrections(
            carrier_hz=found.carrier_hz,
            dc=found.dc[:rx_antennas],
            image=found.image[:rx_antennas],
            highest_gain_tx_db=self.limits.highest_gain_tx_db,
        )


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


def make_profile(calibration: Calibration, cabled_db: float | None) -> Profile:
    """A profile of what was found of a device, as of now.

    Args:
        calibration: carried out.
        cabled_db: attenuation of the cable; None for antennas.
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
        limits=Limits(highest_gain_tx_db=_harmless_to_db(calibration)),
        results=calibration.found,
    )


def _gains(gains: GainRange) -> Gains:
    return Gains(low_db=gains.low, high_db=gains.high, step_db=gains.step)


def _harmless_to_db(calibration: Calibration) -> float:
    """Highest transmit gain that was tried and harmed nobody.

    It is no higher than the transmitter's compression point, nor than what the receiver takes at
    its lowest gain.
    """
    if "transmit_gain" in calibration.failed:
        return calibration.bench.gain_tx.low
    ends = [calibration.bench.gain_tx.high]
    curve = calibration.found.transmit_gain
    if curve is not None and curve.compression_db is not None:
        ends.append(curve.compression_db)
    if curve is not None and curve.receiver_overloaded_db is not None:
        ends.append(curve.points[-1].set_db)
    return min(ends)


def file_name(profile: Profile) -> str:
    """Under which it is kept: one a device, frequency and rate."""
    serial = "".join(letter if letter.isalnum() else "-" for letter in profile.serial)
    freq, rate = profile.freq_hz / 1e6, profile.rate_hz / 1e6
    return f"{profile.radio}-{serial}-{freq:.6g}MHz-{rate:.6g}MSps.yaml"


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
