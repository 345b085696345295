# SPDX-License-Identifier: GPL-3.0-or-later
"""The radio and the scheme of a run: they decide which options there are besides the run's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ota_runner.config import Layer, RunConfig, asked_for, option_name, own_options
from ota_runner.errors import UsageError
from ota_runner.radios import RadioChoice, choose_radio
from semcom_models.codecs import registry
from semcom_models.codecs.registry import SchemeInfo

OF_THE_CALL = ("config", "resume", "json", "verbose", "help")
"""Options of a call on the command line; no run has them."""


@dataclass(frozen=True)
class Choice:
    """What ``--radio`` and ``--scheme`` name.

    Attributes:
        radio: carries the pictures.
        scheme: makes them.
    """

    radio: RadioChoice
    scheme: SchemeInfo


def choose(layers: Sequence[Layer]) -> Choice:
    """Find the radio and the scheme that layers of options name.

    Raises:
        UsageError: no radio or scheme of that name, a bound over a radio that sends samples, or
            a scheme with an option that the run or the radio has too.
        RadioUnavailable: the radio needs GNU Radio, which cannot be imported.
    """
    radio = choose_radio(str(asked_for(layers, "radio")))
    try:
        scheme = registry.scheme_info(str(asked_for(layers, "scheme")))
    except ValueError as error:
        raise UsageError(str(error)) from error
    if scheme.bound and not radio.carries_bounds:
        raise UsageError(
            f"--scheme {scheme.name} is a bound, which --radio {radio.name} cannot send: "
            "use --radio ideal"
        )
    _require_distinct_names(scheme, radio)
    return Choice(radio, scheme)


def _require_distinct_names(scheme: SchemeInfo, radio: RadioChoice) -> None:
    owners = dict.fromkeys(own_options(radio.options), f"--radio {radio.name}")
    owners |= dict.fromkeys(RunConfig.model_fields, "every run")
    owners |= dict.fromkeys(OF_THE_CALL, "every call")
    for field in scheme.options.model_fields if scheme.options else ():
        option = option_name(field)
        if option in owners:
            raise UsageError(
                f"scheme {scheme.name} brings an option `{option}`, which {owners[option]} has "
                f"already: give the field {field} of its options another name"
            )
