# SPDX-License-Identifier: GPL-3.0-or-later
"""The waveform that a run asks for: a preset, or numbers of its own on top of one.

``--numerology`` names a preset or a YAML file; in a configuration file it may also be a mapping of
the same names. They are the fields of :class:`semcom_phy.numerology.Numerology` but for the
antennas, which are the run's option ``--antennas``, and two more:

- ``base``: the preset from which all that is not given is taken; narrow where it is not given;
- ``pilots``: a number of evenly spaced pilots, instead of ``pilot_carriers``.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from pydantic import (
    BeforeValidator,
    ConfigDict,
    InstanceOf,
    PlainSerializer,
    ValidationError,
    create_model,
)

from ota_runner.options_file import read_options, unknown_option
from semcom_phy.numerology import PRESETS, Numerology, evenly_spaced_pilots, preset

_OF_THE_RUN = ("tx_antennas", "rx_antennas")

_NUMBERS = {
    name: kind for name, kind in get_type_hints(Numerology).items() if name not in _OF_THE_RUN
}

_Numbers = create_model(  # type: ignore[call-overload]
    "_Numbers",
    __config__=ConfigDict(extra="forbid", allow_inf_nan=False),
    base=(str, "narrow"),
    pilots=(int | None, None),
    **{name: (kind | None, None) for name, kind in _NUMBERS.items()},
)


def read_numerology(asked: Any) -> Numerology:
    """A numerology from what an option holds.

    Args:
        asked: name of a preset, name of a YAML file, mapping as in one, or a numerology.

    Returns:
        For one transmit and one receive antenna; named after the preset or the file, ``custom``
        from a mapping without ``name``.

    Raises:
        ValueError: no such preset or file, or numbers that make no waveform.
        UsageError: a file that cannot be read, or is not a mapping in YAML.
    """
    if isinstance(asked, Numerology):
        return asked
    if isinstance(asked, Mapping):
        return _from_numbers({"name": "custom", **asked})
    if not isinstance(asked, str):
        raise ValueError("a name is expected, or a mapping such as {base: wide, pilots: 8}")
    if asked in PRESETS:
        return preset(asked)
    path = Path(asked)
    if not path.is_file():
        raise ValueError("there is no such preset, and no such file")
    return _from_numbers({"name": path.stem, **read_options(path, "cyclic_prefix: 32")})


def _from_numbers(numbers: Mapping[str, Any]) -> Numerology:
    known = {*_Numbers.model_fields}
    for name in numbers:
        if name in _OF_THE_RUN:
            raise ValueError(f"`{name}` is no number of the waveform here: use --antennas 2x1")
        if name not in known:
            raise ValueError(unknown_option(f"`{name}`", str(name), known))
    try:
        given = _Numbers.model_validate(numbers).model_dump(exclude_none=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        message = first["msg"][0].lower() + first["msg"][1:]
        raise ValueError(f"{where} {first['input']!r}: {message}") from error
    base = preset(given.pop("base"))
    if "pilots" in given and "pilot_carriers" in given:
        raise ValueError("pilots and pilot_carriers exclude each other: give one of them")
    pilots = given.pop("pilots", len(base.pilot_carriers))
    if "pilot_carriers" not in given:
        half_width = given.get("half_width", base.half_width)
        given["pilot_carriers"] = evenly_spaced_pilots(half_width, pilots)
    return replace(base, **given)


def numerology_options(numerology: Numerology) -> dict[str, Any]:
    """All numbers of a numerology, plain data; :func:`read_numerology` makes it of them again."""
    numbers = {name: value for name, value in asdict(numerology).items() if name in _NUMBERS}
    return numbers | {"pilot_carriers": list(numerology.pilot_carriers)}


def numerology_label(options: Any) -> str:
    """A short name for what ``config.yaml`` holds: a preset's, or its own and a checksum."""
    if not isinstance(options, Mapping):
        return str(options)
    name = str(options.get("name"))
    if name in PRESETS and options == numerology_options(preset(name)):
        return name
    return f"{name} {zlib.crc32(json.dumps(options, sort_keys=True).encode()):08x}"


NumerologyOption = Annotated[
    InstanceOf[Numerology],
    BeforeValidator(read_numerology),
    PlainSerializer(numerology_options),
]
"""Field of an options model: takes what :func:`read_numerology` does, is written in full."""
