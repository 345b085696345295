# SPDX-License-Identifier: GPL-3.0-or-later
"""``ota_runner schemes``: every scheme and preset, and what it reached."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ota_runner.config import own_options
from ota_runner.console import print_table
from ota_runner.errors import UsageError
from semcom_models.codecs import registry
from semcom_models.codecs.registry import PresetInfo, SchemeInfo
from semcom_models.codecs.separate_source import what_is_missing


def command(
    weights: Annotated[
        Path | None, typer.Option("--weights", help="further weights file or folder of them")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """List schemes and presets: size, CBR, weights, and the PSNR they reached."""
    try:
        found = registry.schemes(weights)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if as_json:
        print(json.dumps({"format": 1, "schemes": [_plain(info) for info in found]}, indent=1))
    else:
        print_table(scheme_table(found))


def _plain(info: SchemeInfo) -> dict[str, Any]:
    """A scheme as plain data; its own options as name and description, and what is missing."""
    described = {}
    if info.options is not None:
        model_fields = info.options.model_fields
        own = own_options(info.options)
        described = {name: model_fields[field].description for name, field in own.items()}
    presets = [asdict(preset) | {"missing": what_is_missing(preset)} for preset in info.presets]
    return asdict(info) | {"presets": presets, "options": described}


def scheme_table(found: list[SchemeInfo]) -> Table:
    """A row a preset; schemes without one say so, and what to install below the table."""
    table = Table()
    for heading in ("scheme", "preset"):
        table.add_column(heading, no_wrap=True)
    for heading in ("CBR", "parameters"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("weights", "PSNR dB (at SNR dB)"):
        table.add_column(heading, overflow="fold")
    missing: dict[str, list[str]] = {}
    for scheme in found:
        for preset in scheme.presets:
            needed = what_is_missing(preset)
            if needed is not None:
                missing.setdefault(needed, []).append(f"{preset.scheme} {preset.name}")
            table.add_row(
                scheme.name,
                f"{preset.name}{' *' if preset.default else ''}",
                f"{preset.cbr:.4g}{' or any' if scheme.any_cbr else ''}",
                f"{preset.parameters:,}",
                preset.weights or ("not installed" if needed else "none needed"),
                reached(preset),
            )
        if not scheme.presets:
            table.add_row(scheme.name, "–", "", "", "none here: train some", "")
        table.add_section()
    notes = [f"{', '.join(names)}: install {needed}" for needed, names in missing.items()]
    notes.append(
        "* opened when only the scheme is named; --scheme NAME --help shows a scheme's own options"
    )
    table.caption, table.caption_justify = "\n".join(notes), "left"
    return table


def reached(preset: PresetInfo) -> str:
    """A preset's PSNRs on one line a data set."""
    return "\n".join(
        f"{data}: " + ", ".join(f"{psnr:.1f} ({snr})" for snr, psnr in figures.items())
        for data, figures in preset.reached.items()
    )
