# SPDX-License-Identifier: GPL-3.0-or-later
"""A scheme's own options, from text."""

from __future__ import annotations

import yaml
from pydantic import BaseModel, ValidationError

from semcom_models.codecs.registry import scheme_info


def options_from_yaml(scheme: str, text: str) -> BaseModel | None:
    """Read a scheme's own options.

    Args:
        scheme: its name.
        text: a YAML mapping such as ``mcs: nr-16qam-2/3`` or ``{mcs: adaptive}``; what is left
            out has its default.

    Returns:
        An instance of the scheme's options model; None where the scheme has no options.

    Raises:
        ValueError: no such scheme, no mapping, an unknown option or a value out of range; one
            line.
    """
    model = scheme_info(scheme).options
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"options of {scheme} are not YAML: {_line(str(error))}") from error
    if not isinstance(values, dict):
        raise ValueError(f"options of {scheme} are {text!r}: write `name: value`")
    if model is None:
        if values:
            raise ValueError(f"{scheme} has no options: leave {_line(text)!r} out")
        return None
    unknown = next((name for name in values if name not in model.model_fields), None)
    if unknown is not None:
        known = ", ".join(model.model_fields)
        raise ValueError(f"{scheme} has no option {unknown!r}: there are {known}")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([scheme, *map(str, first["loc"])])
        raise ValueError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error


def _line(text: str) -> str:
    return " ".join(text.split())
