# SPDX-License-Identifier: GPL-3.0-or-later
"""``ota_runner calibrate``: find out about a device, and keep it as its profile."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ota_runner.config import Layer, Settings, resolve, resolve_numerology
from ota_runner.console import print_table, say
from ota_runner.errors import LinkFailed, OutputFailed, RadioUnavailable, UsageError
from ota_runner.main_job import interrupted_once
from ota_runner.radios import choose_radio

if TYPE_CHECKING:
    from gnuradio.semcom.radios.bench import Bench
    from gnuradio.semcom.radios.device import DeviceConfig

    from semcom_calibration.procedures import Calibration
    from semcom_calibration.profile import Profile

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
    from semcom_calibration.cautions import cautions
    from semcom_calibration.profile import file_name, make_profile
    from semcom_calibration.profile_folder import default_folder

    typed = {"radio": radio, "rate": rate, "antennas": antennas, **options}
    given = Layer(None, {name: value for name, value in typed.items() if value is not None})
    if radio not in _BENCHES:
        raise UsageError(f"--radio {radio} is no device: calibrate one of {', '.join(_BENCHES)}")
    settings = resolve([given], choose_radio(radio).options)
    config = cast("DeviceConfig", settings.radio)
    names = _procedures(only)
    with interrupted_once(), _open(radio, settings) as bench:
        _tell_wiring(bench, config)
        calibration = _calibrate(bench, config, names)
        profile = make_profile(calibration, config.cabled_db)
    print_table(calibration_table(profile))
    for name, message in calibration.failed.items():
        say(f"{name} not found: {message}")
    for caution in cautions(profile.results, profile.rate_hz):
        say(caution)
    if not calibration.results:
        raise LinkFailed("nothing was found, and no profile is written")
    _write(profile, output or (profiles or default_folder()) / file_name(profile))


def _procedures(only: str | None) -> tuple[str, ...]:
    from semcom_calibration.procedures import PROCEDURES, with_needs

    if only is None:
        return PROCEDURES
    try:
        return with_needs(name.strip().replace("-", "_") for name in only.split(","))
    except ValueError as error:
        raise UsageError(f"--only: {error}") from error


def _open(radio: str, settings: Settings) -> Bench:
    from gnuradio.semcom.radios import RadioConfigError, RadioLostError, RadioOpenError

    numerology = resolve_numerology(settings.run)
    try:
        module = importlib.import_module(f"gnuradio.semcom.radios.{radio}_bench")
        bench = module.open_bench(
            settings.radio, numerology.sample_rate, numerology.tx_antennas, numerology.rx_antennas
        )
    except RadioConfigError as error:
        raise UsageError(str(error)) from error
    except (RadioOpenError, RadioLostError, ImportError) as error:
        raise RadioUnavailable(f"--radio {radio}: {error}") from error
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


def _calibrate(bench: Bench, config: DeviceConfig, names: tuple[str, ...]) -> Calibration:
    from gnuradio.semcom.radios import RadioLostError
    from gnuradio.semcom.radios.bench import GainRange

    from semcom_calibration.procedures import Calibration

    if config.gain_tx_db is not None:
        gains = bench.gain_tx
        bench.gain_tx = GainRange(gains.low, min(gains.high, config.gain_tx_db), gains.step)
    calibration = Calibration(bench, config.backoff_db, config.gain_rx_db)
    try:
        calibration.run(names, lambda name: say(f"measuring {name}"))
    except RadioLostError as error:
        raise RadioUnavailable(f"--radio {bench.radio}: {error}") from error
    return calibration


def _write(profile: Profile, path: Path) -> None:
    from semcom_calibration.profile import write_profile

    try:
        write_profile(profile, path)
    except OSError as error:
        raise OutputFailed(f"cannot write {path}: {error.strerror or error}") from error
    say(f"profile: {path}")
