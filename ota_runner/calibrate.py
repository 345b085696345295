# SPDX-License-Identifier: GPL-3.0-or-later
"""``ota_runner calibrate``: find out about a device, and keep it as its profile."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ota_runner.config import Layer, Settings, resolve, resolve_numerology
from ota_runner.console import print_table, say
from ota_runner.errors import LinkFailed, OutputFailed, RadioUnavailable, UsageError
from ota_runner.main_job import interrupted_once
from ota_runner.radios import choose_radio

if TYPE_CHECKING:
    from gnuradio.semcom.radios import Corrections
    from gnuradio.semcom.radios.bench import Bench
    from gnuradio.semcom.radios.device import DeviceConfig

    from semcom_calibration.procedures import Calibration
    from semcom_calibration.profile import Limits, Profile

_BENCHES = ("usrp", "pluto")
"""Radios that have a bench, in their module ``*_bench``."""


def command(
    radio: Annotated[str, typer.Option("--radio", help=f"device: {', '.join(_BENCHES)}")],
    rate: Annotated[
        float | None,
        typer.Option("--rate", help="sample rate of the runs to come; default 1e6"),
    ] = None,
    antennas: Annotated[
        str | None,
        typer.Option("--antennas", help="transmit x receive antennas of the runs; default 1x1"),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--only", help="procedures, with commas between; default: all"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", help="file of the profile; default: one of the device in --profiles"
        ),
    ] = None,
    profiles: Annotated[
        Path | None,
        typer.Option(
            "--profiles",
            help="folder in which runs look for profiles; default: gr-semcom/profiles in your "
            "configuration",
        ),
    ] = None,
    **options: Any,
) -> None:
    """Calibrate a radio whose transmitter and receiver are joined by a cable with attenuators.

    Further options are the radio's own: ask with --radio NAME --help. Here --gain-tx is the highest
    transmit gain that is used and --gain-rx the one that the SNR table is for.
    """
    from ota_runner.calibration_table import calibration_table
    from ota_runner.device_profile import limits_of_device
    from semcom_calibration.cautions import cautions
    from semcom_calibration.profile import file_name, make_profile
    from semcom_calibration.profile_folder import default_folder

    folder = profiles or default_folder()
    typed = {"radio": radio, "rate": rate, "antennas": antennas, **options}
    given = Layer(None, {name: value for name, value in typed.items() if value is not None})
    if radio not in _BENCHES:
        raise UsageError(f"--radio {radio} is no device: calibrate one of {', '.join(_BENCHES)}")
    settings = resolve([given], choose_radio(radio).options)
    config = cast("DeviceConfig", settings.radio)
    names = _procedures(only)
    _require_highest_gain(config)
    replaced = None if output is None else _existing(output)
    with interrupted_once(), _told_to_the_user(radio):
        allowed = limits_of_device(radio, config, folder, replaced)
        with _open(radio, settings, allowed) as bench:
            path = output or folder / file_name(bench)
            kept = _kept(_existing(path), bench, config)
            _tell_wiring(bench, config)
            calibration = _calibrate(bench, config, names, kept)
            profile = make_profile(calibration, config.cabled_db, allowed, kept)
    print_table(calibration_table(profile))
    for name, message in calibration.failed.items():
        say(f"{name} not found: {message}")
    for caution in cautions(profile.results, profile.rate_hz):
        say(caution)
    if not calibration.found_now:
        raise LinkFailed("nothing was found, and no profile is written")
    _tell_what_stays(calibration, profile.limits)
    _write(profile, path)


def _procedures(only: str | None) -> tuple[str, ...]:
    from semcom_calibration.procedures import PROCEDURES, with_needs

    if only is None:
        return PROCEDURES
    try:
        return with_needs(name.strip().replace("-", "_") for name in only.split(","))
    except ValueError as error:
        raise UsageError(f"--only: {error}") from error


def _require_highest_gain(config: DeviceConfig) -> None:
    """On an antenna the sweep of the transmit gain ends where a person says."""
    if config.i_have_a_licence and config.cabled_db is None and config.gain_tx_db is None:
        raise UsageError(
            "--gain-tx is missing: with antennas, give the highest transmit gain that you may use; "
            "else calibration goes up to the device's own"
        )


def _existing(path: Path) -> Profile | None:
    """The profile in a file that is to be replaced, or None."""
    from semcom_calibration.profile import ProfileError, read_profile

    if not path.exists():
        return None
    try:
        return read_profile(path)
    except ProfileError as error:
        raise UsageError(
            f"{error}; move {path} away first: limits that it may have would be lost"
        ) from error


def _kept(replaced: Profile | None, bench: Bench, config: DeviceConfig) -> Profile | None:
    """The profile to be replaced, if what is not measured anew can be taken from it."""
    if replaced is None or replaced.kept_by(bench, config.cabled_db):
        return replaced
    say(
        f"of the profile of {replaced.date:%Y-%m-%d} no result is kept: it is of another device, "
        "wiring, frequency, rate or number of antennas"
    )
    return None


@contextmanager
def _told_to_the_user(radio: str) -> Iterator[None]:
    """A device's refusals as errors of the program."""
    from gnuradio.semcom.radios import RadioConfigError, RadioLostError, RadioOpenError

    try:
        yield
    except RadioConfigError as error:
        raise UsageError(str(error)) from error
    except (RadioOpenError, RadioLostError) as error:
        raise RadioUnavailable(f"--radio {radio}: {error}") from error


def _open(radio: str, settings: Settings, allowed: Corrections) -> Bench:
    numerology = resolve_numerology(settings.run)
    try:
        module = importlib.import_module(f"gnuradio.semcom.radios.{radio}_bench")
    except ImportError as error:
        raise RadioUnavailable(f"--radio {radio}: {error}") from error
    bench = module.open_bench(
        settings.radio,
        numerology.sample_rate,
        numerology.tx_antennas,
        numerology.rx_antennas,
        allowed,
    )
    return cast("Bench", bench)


def _tell_wiring(bench: Bench, config: DeviceConfig) -> None:
    """What must be joined with what, before anything is sent."""
    say(f"{bench.model}, serial {bench.serial}, at {bench.freq_hz / 1e6:g} MHz")
    if config.cabled_db is None:
        say("wiring: antennas, as you have a licence; whoever else sends is measured too")
        return
    for antenna in range(1, max(bench.tx_antennas, bench.rx_antennas) + 1):
        transmit, receive = min(antenna, bench.tx_antennas), min(antenna, bench.rx_antennas)
        say(
            f"wiring: transmit connector {transmit} -> attenuators, {config.cabled_db:g} dB -> "
            f"receive connector {receive}; no antenna anywhere"
        )


def _calibrate(
    bench: Bench, config: DeviceConfig, names: tuple[str, ...], kept: Profile | None
) -> Calibration:
    from gnuradio.semcom.radios.bench import GainRange

    from semcom_calibration.procedures import Calibration

    gains = bench.gain_tx
    if config.gain_tx_db is not None:
        bench.gain_tx = GainRange(gains.low, min(gains.high, config.gain_tx_db), gains.step)
    before = {} if kept is None else {name: found for name, found in kept.results if found}
    calibration = Calibration(bench, config.backoff_db, config.gain_rx_db, before)
    calibration.run(names, lambda name: say(f"measuring {name}"))
    bench.gain_tx = gains  # the device's own, for the profile
    return calibration


def _tell_what_stays(calibration: Calibration, limits: Limits) -> None:
    """What the profile has of those before it."""
    old = [name for name in calibration.results if name not in calibration.found_now]
    if old:
        say(f"kept from the profile before: {', '.join(old)}")
    edges = limits.lowest_freq_hz, limits.highest_freq_hz
    if edges != (None, None):
        low, high = ("any" if edge is None else f"{edge / 1e6:g} MHz" for edge in edges)
        say(f"kept from the device's profiles: limits of frequency, {low} to {high}")


def _write(profile: Profile, path: Path) -> None:
    from semcom_calibration.profile import write_profile

    try:
        write_profile(profile, path)
    except OSError as error:
        raise OutputFailed(f"cannot write {path}: {error.strerror or error}") from error
    say(f"profile: {path}")
