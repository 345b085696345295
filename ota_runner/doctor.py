# SPDX-License-Identifier: GPL-3.0-or-later
"""``ota_runner doctor``: what is there, what is missing, and whether a radio keeps up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ota_runner.config import Layer, Settings, resolve, resolve_numerology
from ota_runner.console import print_table
from ota_runner.doctor_devices import devices
from ota_runner.doctor_finding import Finding
from ota_runner.doctor_software import software
from ota_runner.doctor_system import system
from ota_runner.errors import RadioUnavailable, UsageError
from ota_runner.main_job import interrupted_once
from ota_runner.radios import choose_radio

if TYPE_CHECKING:
    from ota_runner.doctor_self_test import SelfTest

_COLOURS = {"fine": "green", "caution": "yellow", "missing": "red", "absent": "dim"}


def command(
    radio: Annotated[
        str | None, typer.Option("--radio", help="device to be tested for some seconds")
    ] = None,
    rate: Annotated[
        float | None, typer.Option("--rate", help="sample rate of the test; default 1e6")
    ] = None,
    antennas: Annotated[
        str | None, typer.Option("--antennas", help="transmit x receive; default 1x1")
    ] = None,
    profiles: Annotated[
        Path | None,
        typer.Option("--profiles", help="folder of calibration profiles; their limits count"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    **options: Any,
) -> None:
    """Tell what is installed, which radios are seen, what is missing, and what mends it.

    With --radio NAME and that radio's options, also whether it and this machine keep up with a
    rate. It transmits only with --cabled or --i-have-a-licence.
    """
    typed = {"radio": radio, "rate": rate, "antennas": antennas, **options}
    given = Layer(None, {name: value for name, value in typed.items() if value is not None})
    settings = None if radio is None else _settings(given)
    found = list(chain(software(), devices(), system()))
    tested, failed = None, None
    if settings is not None:
        try:
            tested = _self_test(settings, profiles)
            found += tested.findings()
        except RadioUnavailable as error:
            failed = error
            found.append(Finding("self-test", settings.run.radio, "missing", str(error)))
    _print(found, tested, as_json)
    if failed is not None:
        raise failed


def _settings(given: Layer) -> Settings:
    name = str(given.values["radio"])
    options = choose_radio(name).options
    if not {"i_have_a_licence", "cabled_db"} <= options.model_fields.keys():
        raise UsageError(f"--radio {name} is no device, there is nothing to test")
    return resolve([given], options)


def _self_test(settings: Settings, profiles: Path | None) -> SelfTest:
    from gnuradio.semcom import radios
    from gnuradio.semcom.radios.device import DeviceConfig

    from ota_runner.device_profile import limits_of_device
    from ota_runner.doctor_self_test import self_test

    name, config = settings.run.radio, settings.radio
    assert isinstance(config, DeviceConfig)
    numerology = resolve_numerology(settings.run)
    sends = config.i_have_a_licence or config.cabled_db is not None
    try:
        with interrupted_once():
            allowed = limits_of_device(name, config, profiles)
            radio = radios.open_radio(name, numerology, allowed, **config.model_dump())
            return self_test(radio, numerology, sends)
    except radios.RadioConfigError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise RadioUnavailable(f"--radio {name}: {error}") from error


def _print(found: Sequence[Finding], tested: SelfTest | None, as_json: bool) -> None:
    if not as_json:
        print_table(_table(found))
        return
    findings = [asdict(finding) for finding in found]
    result = {"format": 1, "findings": findings, "self_test": asdict(tested) if tested else None}
    print(json.dumps(result, indent=1))


def _table(found: Sequence[Finding]) -> Table:
    """A row a finding; below it, what mends."""
    table = Table()
    table.add_column("what", no_wrap=True)
    for heading in ("is", "mend"):
        table.add_column(heading, overflow="fold")
    area = found[0].area if found else ""
    for finding in found:
        if finding.area != area:
            table.add_section()
            area = finding.area
        colour = _COLOURS[finding.state]
        words = (
            escape(finding.name),
            f"[{colour}]{escape(finding.found)}[/]",
            escape(finding.mend),
        )
        table.add_row(*words)
    table.caption, table.caption_justify = "\n".join(_summary(found)), "left"
    return table


def _summary(found: Sequence[Finding]) -> Iterator[str]:
    for state in ("missing", "caution"):
        names = [finding.name for finding in found if finding.state == state]
        if names:
            yield f"{state}: {', '.join(names)}"
