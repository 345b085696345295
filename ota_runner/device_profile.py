# SPDX-License-Identifier: GPL-3.0-or-later
"""The calibration profile of the device that a run's options name, and what follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnuradio.semcom.radios import Corrections, radio_class
from gnuradio.semcom.radios.device import DeviceConfig
from pydantic import BaseModel

from ota_runner.console import say
from ota_runner.errors import UsageError
from semcom_calibration.gains import settable
from semcom_calibration.profile import Profile, ProfileError, frequency_limits, read_profile
from semcom_calibration.profile_folder import default_folder, profiles_in
from semcom_phy.impairments import frame_power
from semcom_phy.numerology import Numerology

if TYPE_CHECKING:
    from semcom_calibration.snr_table import SnrTable


@dataclass(frozen=True)
class ProfileUse:
    """A profile that a run goes by.

    Attributes:
        path: of its file.
        serial: of the device.
        date: of the calibration.
        temperature_c: of the device then; None where it was not known.
        gain_tx_db, gain_rx_db: that the profile chose; None for those that it did not.
    """

    path: Path
    serial: str
    date: datetime
    temperature_c: float | None
    gain_tx_db: float | None
    gain_rx_db: float | None

    def as_mapping(self) -> dict[str, Any]:
        """Plain data, for a run's manifest."""
        return {**vars(self), "path": str(self.path), "date": self.date.isoformat()}


def apply_profile(
    radio_name: str,
    options: BaseModel,
    snr_db: float | None,
    numerology: Numerology,
    profile: Path | None = None,
    profiles: Path | None = None,
) -> tuple[BaseModel, Corrections, ProfileUse | None]:
    """Find the profile of the device that options name, and choose the gains that they leave open.

    Args:
        radio_name: as in ``--radio``.
        options: of the radio, validated.
        snr_db: that the run asks for; None for whatever comes.
        numerology: of the waveform, at the radio's rate.
        profile: to be used, in the wiring that it tells of unless options tell of another; None
            for the latest in ``profiles`` that is of this device and holds at its frequency and
            rate.
        profiles: folder; None for the user's.

    Returns:
        The options with their gains, what link and driver correct, and which profile was used.
        The options as they are and None where there is none that holds. The limits of frequency
        are those of all profiles of the device together, see :func:`limits_of_device`.

    Raises:
        UsageError: the profile named is none, or of another device, frequency or rate; or an SNR
            that the device does not reach.
        RadioOpenError: there is no such device.
    """
    if not isinstance(options, DeviceConfig):
        if profile is not None:
            raise UsageError(f"--profile: --radio {radio_name} is no device that has a profile")
        return options, Corrections(), None
    folder = profiles or default_folder()
    if profile is not None:
        named = _named(profile, radio_name, options, numerology)
        others = [one for _, one in _of_radio(radio_name, folder) if one.serial == named.serial]
        allowed = frequency_limits([named, *others])
        wired = _as_wired(options, named)
        return _apply(profile, named, wired, snr_db, numerology, allowed)
    own = _own(radio_name, options, folder)
    allowed = frequency_limits(one for _, one in own)
    for path, one in own:
        if _problem(one, options, numerology) is None:
            return _apply(path, one, options, snr_db, numerology, allowed)
    if own:
        path, latest = own[0]
        why = _problem(latest, options, numerology)
        say(f"--radio {radio_name}: profile {path.name} is not used: {why}")
    return options, allowed, None


def limits_of_device(
    radio_name: str,
    options: DeviceConfig,
    profiles: Path | None = None,
    besides: Profile | None = None,
) -> Corrections:
    """Where the device that options name may radiate, by all of its profiles.

    It does not depend on where, how fast or with which antennas the device was calibrated.

    Args:
        radio_name: as in ``--radio``.
        options: of the radio, validated.
        profiles: folder of them; None for the user's.
        besides: one that counts too if it is of the device, from wherever it is.

    Returns:
        The limits of frequency, see :func:`semcom_calibration.profile.frequency_limits`.

    Raises:
        RadioOpenError: there is no such device.
    """
    found = [one for _, one in _of_radio(radio_name, profiles or default_folder())]
    if besides is not None and besides.radio == radio_name:
        found.append(besides)
    if not found:
        return Corrections()  # looking for the device would take a while
    serial = radio_class(radio_name).serial_number(options)
    return frequency_limits(one for one in found if one.serial == serial)


def _problem(profile: Profile, options: DeviceConfig, numerology: Numerology) -> str | None:
    """Why a profile does not hold for a run, or None."""
    rate_hz, antennas = numerology.sample_rate, (numerology.tx_antennas, numerology.rx_antennas)
    return profile.problem(options.freq_hz, rate_hz, *antennas)


def _named(path: Path, radio_name: str, options: DeviceConfig, numerology: Numerology) -> Profile:
    """A profile by its file, if it is of the device and holds."""
    try:
        profile = read_profile(path)
    except ProfileError as error:
        raise UsageError(f"--profile: {error}") from error
    problem = _problem(profile, options, numerology)
    if problem is not None:
        raise UsageError(
            f"--profile {path}: {problem}: calibrate the device there with `ota_runner calibrate`"
        )
    serial = radio_class(radio_name).serial_number(options)
    if (profile.radio, profile.serial) != (radio_name, serial):
        raise UsageError(
            f"--profile {path} is of {profile.radio} {profile.serial}, the device is {radio_name} "
            f"{serial}: name its own, or leave --profile out"
        )
    return profile


def _as_wired(options: DeviceConfig, profile: Profile) -> DeviceConfig:
    """Options that say nothing of cable or licence, with the cable of a profile that was named."""
    cabled_db = profile.wiring.cabled_db
    if cabled_db is None or options.cabled_db is not None or options.i_have_a_licence:
        return options
    say(f"--cabled {cabled_db:g}, as the profile says: no antenna may be connected")
    return options.model_copy(update={"cabled_db": cabled_db})


def _of_radio(radio_name: str, folder: Path) -> list[tuple[Path, Profile]]:
    """The profiles in a folder that are of such radios, the latest first."""
    found, problems = profiles_in(folder)
    for problem in problems:
        say(f"not used: {problem}")
    return [one for one in found if one[1].radio == radio_name]


def _own(radio_name: str, options: DeviceConfig, folder: Path) -> list[tuple[Path, Profile]]:
    """The profiles in a folder that are of the device, the latest first."""
    found = _of_radio(radio_name, folder)
    if not found:
        return []  # looking for the device would take a while
    serial = radio_class(radio_name).serial_number(options)
    return [one for one in found if one[1].serial == serial]


def _apply(
    path: Path,
    profile: Profile,
    options: DeviceConfig,
    snr_db: float | None,
    numerology: Numerology,
    allowed: Corrections,
) -> tuple[DeviceConfig, Corrections, ProfileUse]:
    gain_rx_db, gain_tx_db = options.gain_rx_db, options.gain_tx_db
    if gain_rx_db is None and _sets_gain_rx(options):
        gain_rx_db = profile.receive_with_db
    told = "the device sets its receive gain" if gain_rx_db is None else f"--gain-rx {gain_rx_db:g}"
    if gain_tx_db is None and snr_db is not None and gain_rx_db is not None:
        gain_tx_db, why = _gain_tx(path, profile, options, gain_rx_db, snr_db, numerology)
        told += why
    say(f"--radio {profile.radio}: profile {profile.serial} of {profile.date:%Y-%m-%d}: {told}")
    use = ProfileUse(
        path.resolve(),
        profile.serial,
        profile.date,
        profile.temperature_c,
        gain_tx_db if options.gain_tx_db is None else None,
        gain_rx_db if options.gain_rx_db is None else None,
    )
    chosen = options.model_copy(update={"gain_tx_db": gain_tx_db, "gain_rx_db": gain_rx_db})
    corrections = replace(
        profile.corrections(gain_rx_db),
        lowest_freq_hz=allowed.lowest_freq_hz,
        highest_freq_hz=allowed.highest_freq_hz,
    )
    return chosen, corrections, use


def _sets_gain_rx(options: DeviceConfig) -> bool:
    """Whether a receive gain may be chosen; not beside a gain control of the device."""
    return getattr(options, "gain_mode", "manual") == "manual"


def _gain_tx(
    path: Path,
    profile: Profile,
    options: DeviceConfig,
    gain_rx_db: float,
    snr_db: float,
    numerology: Numerology,
) -> tuple[float | None, str]:
    """Transmit gain for an SNR, and what to say of it; None where the table does not tell."""
    table = profile.results.snr_table
    if table is None:
        return None, "; it has no table of SNRs"
    if gain_rx_db != table.gain_rx_db:
        return None, f"; its table of SNRs is for --gain-rx {table.gain_rx_db:g}"
    better_db = _better_db(table, options.backoff_db, numerology)
    gain_db = table.gain_tx_db(snr_db - better_db)
    if gain_db is None:
        low, high = (table.points[end].snr_db + better_db for end in (0, -1))
        raise UsageError(
            f"--snr {snr_db:g}: profile {path} reaches {low:.1f} to {high:.1f} dB with --gain-rx "
            f"{gain_rx_db:g}: choose an SNR between, or --gain-tx and --gain-rx by hand, or "
            "calibrate with other attenuators"
        )
    gain_db = settable(profile.gain_tx.range(), gain_db)
    return gain_db, f" --gain-tx {gain_db:g} for {snr_db:g} dB"


def _better_db(table: SnrTable, backoff_db: float, numerology: Numerology) -> float:
    """By how much a run's SNR is above the table's at the same gain.

    At the same RMS a waveform of fewer active carriers has more power in each.
    """
    denser_db = 10 * math.log10(table.occupied / frame_power(numerology))
    return denser_db + table.backoff_db - backoff_db
