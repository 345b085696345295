# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run is asked to do: options of the run, of its radio and of its scheme, validated.

Options have the same names on the command line (``--record-iq``) and in a YAML file
(``record_iq``). The command line beats the file, the file beats the defaults. A radio and a scheme
bring options of their own as pydantic models; an option's name is its field's name without the unit
(``cfo_hz`` is ``--cfo``), and fields of a radio whose name the run has too (``snr_db``, ``seed``)
take the run's value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ota_runner.errors import UsageError
from ota_runner.feedback_options import FeedbackOptions
from ota_runner.mimo_options import MimoOptions
from ota_runner.numerology import NumerologyOption
from ota_runner.options_file import read_options, unknown_option
from semcom_phy.numerology import Numerology

SNR_RANGE_DB = (-20.0, 60.0)
"""SNRs that a run can be asked for."""

FADING = ("rayleigh", "rician")
"""Values of ``--snr-trace`` that are a model of fading around ``--snr``."""

WALK = "walk"
"""Value of ``--snr-trace`` that is a random walk within 0 to 20 dB, from ``--snr``."""

GENERATED = (*FADING, WALK)
"""Values of ``--snr-trace`` that are no files."""

_Options = TypeVar("_Options", bound=BaseModel)

_UNIT = re.compile(r"_(hz|db|ppm|samples|s)$")

_NAME = re.compile(r"--[a-z]+(?:-[a-z]+)*|\b[a-z]+(?:_[a-z]+)+\b")
"""An option or a field in a message; fields of one word are words of the language too."""


class RunConfig(MimoOptions, FeedbackOptions):
    """Options of a run, whatever the radio."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    radio: Annotated[str, Field(description="radio that carries the pictures")] = "loopback"
    scheme: Annotated[
        str,
        Field(
            description="code that makes them, see `ota_runner schemes`; or a Python file that "
            "registers one"
        ),
    ] = "adjscc"
    images: Annotated[
        Path | None, Field(description="picture or folder of pictures; default: sample pictures")
    ] = None
    snr: Annotated[
        float,
        Field(ge=SNR_RANGE_DB[0], le=SNR_RANGE_DB[1], description="Es/N0 in dB, -20 to 60"),
    ] = 10.0
    snr_trace: Annotated[
        str | None,
        Field(
            description="SNR of each picture: a file of one value in dB a line, rayleigh or "
            "rician fading with mean --snr, or a walk from --snr within 0 to 20 dB"
        ),
    ] = None
    trace_doppler: Annotated[
        float | None,
        Field(ge=0, description="Doppler shift of the fading times picture interval; default 0.05"),
    ] = None
    trace_k: Annotated[
        float | None,
        Field(ge=-40, le=40, description="Rician K-factor of the fading in dB; default 6"),
    ] = None
    trace_step: Annotated[
        float | None,
        Field(gt=0, le=20, description="standard deviation of the walk's steps in dB; default 2"),
    ] = None
    count: Annotated[
        int | None,
        Field(
            ge=1,
            le=1_000_000,
            description="pictures to send, going round the folder; default: each once, or one a "
            "value of the trace",
        ),
    ] = None
    cbr: Annotated[
        float | None,
        Field(
            gt=0,
            le=1,
            description="channel bandwidth ratio, channel uses / (3 H W); two streams at once are "
            "one use",
        ),
    ] = None
    preset: Annotated[str | None, Field(description="preset of the scheme")] = None
    weights: Annotated[
        Path | None, Field(description="weights file, or folder of them, to use first")
    ] = None
    numerology: Annotated[
        NumerologyOption,
        Field(
            validate_default=True,
            description="waveform: narrow, wide or a YAML file of its numbers",
        ),
    ] = "narrow"  # type: ignore[assignment]
    rate: Annotated[
        float | None,
        Field(gt=0, le=1e9, description="samples a second; default: the waveform's own"),
    ] = None
    profile: Annotated[
        Path | None,
        Field(description="calibration profile of the radio; default: its latest in --profiles"),
    ] = None
    profiles: Annotated[
        Path | None,
        Field(
            description="folder of calibration profiles; default ~/.config/gr-semcom/profiles",
        ),
    ] = None
    clipping: Annotated[
        float | None,
        Field(ge=-10, le=60, description="limit of the sent magnitude above its RMS in dB"),
    ] = None
    seed: Annotated[
        int, Field(ge=0, lt=2**32, description="seed of channel and codec, 0 to 2^32 - 1")
    ] = 0
    record_iq: Annotated[
        bool, Field(description="keep the samples sent and received as SigMF in iq/")
    ] = False
    output: Annotated[
        Path | None,
        Field(description="folder of the run; default: runs/DATE-SCHEME-RADIO", exclude=True),
    ] = None

    @model_validator(mode="after")
    def _the_fading_is_asked_for(self) -> Self:
        for option, value, of in (
            ("--trace-doppler", self.trace_doppler, FADING),
            ("--trace-k", self.trace_k, ("rician",)),
            ("--trace-step", self.trace_step, (WALK,)),
        ):
            if value is not None and self.snr_trace not in of:
                raise ValueError(f"{option} goes with --snr-trace {' or '.join(of)}")
        return self

    @model_validator(mode="after")
    def _the_waveform_has_room_for_the_antennas(self) -> Self:
        resolve_numerology(self)
        return self


def resolve_numerology(run: RunConfig) -> Numerology:
    """The waveform of a run, for its antennas and at its sample rate.

    Raises:
        ValueError: the waveform does not fit so many antennas, or that rate.
    """
    tx, rx = map(int, run.antennas.split("x"))
    waveform = replace(run.numerology, tx_antennas=tx, rx_antennas=rx)
    return waveform if run.rate is None else waveform.at_rate(run.rate)


@dataclass(frozen=True)
class Layer:
    """Options from one place.

    Attributes:
        place: a file's name, or None for the command line.
        values: option name (with underscores) to value.
    """

    place: str | None
    values: Mapping[str, Any]

    def names(self, option: str) -> str:
        """How the user wrote an option there, and where that is."""
        return f"{self.prefix}{self.spells(option)}"

    def spells(self, option: str) -> str:
        """How the user wrote an option there."""
        dashed = option.replace("_", "-")
        return f"--{dashed}" if self.place is None else option

    @property
    def prefix(self) -> str:
        """Says where that is, before a message; empty for the command line."""
        return "" if self.place is None else f"{self.place}: "


@dataclass(frozen=True)
class Settings:
    """A run's options, resolved.

    Attributes:
        run: those of every run.
        radio: the radio's own, an instance of its options model.
        scheme: the scheme's own, an instance of its options model; None where it has none.
    """

    run: RunConfig
    radio: BaseModel
    scheme: BaseModel | None

    def as_mapping(self) -> dict[str, Any]:
        """Option name to value, plain data, as in ``config.yaml``; reading it gives a like run."""
        mapping = self.run.model_dump(mode="json")
        if self.run.images is not None:
            mapping["images"] = str(self.run.images.resolve())
        if self.run.scheme.endswith(".py"):
            mapping["scheme"] = str(Path(self.run.scheme).resolve())
        for name in ("weights", "profile", "profiles"):
            if (path := getattr(self.run, name)) is not None:
                mapping[name] = str(path.resolve())
        if self.run.snr_trace is not None and self.run.snr_trace not in GENERATED:
            mapping["snr_trace"] = str(Path(self.run.snr_trace).resolve())
        for options in (self.radio, self.scheme):
            values = {} if options is None else options.model_dump(mode="json")
            own = {option_name(field): value for field, value in values.items()}
            mapping |= {name: value for name, value in own.items() if name not in mapping}
        return mapping


def option_name(field: str) -> str:
    """Name of the option that sets a radio's or scheme's field: the field's without its unit."""
    return _UNIT.sub("", field)


def own_options(model: type[BaseModel]) -> dict[str, str]:
    """Option name to field name, for the fields of a model that a run does not have too."""
    names = {option_name(field): field for field in model.model_fields}
    return {name: field for name, field in names.items() if name not in RunConfig.model_fields}


def read_layer(path: Path) -> Layer:
    """Options from a YAML file.

    Raises:
        UsageError: unreadable, not YAML, or not a mapping of option names.
    """
    return Layer(str(path), read_options(path, "snr: 10"))


def asked_for(layers: Sequence[Layer], option: str) -> Any:
    """Value of an option of :class:`RunConfig` before validation; later layers win."""
    value = RunConfig.model_fields[option].default
    for layer in layers:
        value = layer.values.get(option, value)
    return value


def resolve(
    layers: Sequence[Layer],
    radio_options: type[BaseModel],
    scheme_options: type[BaseModel] | None = None,
) -> Settings:
    """Merge layers of options and validate them.

    Args:
        layers: later ones win.
        radio_options: options model of the radio that :func:`asked_for` names.
        scheme_options: options model of the scheme that it names, None where it has none.

    Raises:
        UsageError: an unknown option (says the nearest known) or a value out of range.
    """
    of_run = {name: name for name in RunConfig.model_fields}
    of_radio = own_options(radio_options)
    of_scheme = own_options(scheme_options) if scheme_options else {}
    asked = _merge(layers, [*of_run, *of_radio, *of_scheme])
    run = _validate(RunConfig, of_run, asked)
    shared = {
        field: getattr(run, option_name(field))
        for field in radio_options.model_fields
        if option_name(field) in of_run
    }
    return Settings(
        run,
        _validate(radio_options, of_radio, asked, shared),
        _validate(scheme_options, of_scheme, asked) if scheme_options else None,
    )


def validated(model: type[_Options], typed: Mapping[str, Any]) -> _Options:
    """Options that are no run's, as typed.

    Raises:
        UsageError: a value out of range.
    """
    layer = Layer(None, typed)
    asked = {option: (value, layer) for option, value in typed.items()}
    options: _Options = _validate(model, {name: name for name in model.model_fields}, asked)
    return options


def _merge(layers: Sequence[Layer], known: Sequence[str]) -> dict[str, tuple[Any, Layer]]:
    """Option name to its value and the layer it is from."""
    merged: dict[str, tuple[Any, Layer]] = {}
    for layer in layers:
        for option, value in layer.values.items():
            if option not in known:
                raise UsageError(unknown_option(layer.names(option), option, known))
            merged[option] = value, layer
    return merged


def _validate(
    model: type[Any],
    fields: Mapping[str, str],
    asked: Mapping[str, tuple[Any, Layer]],
    shared: Mapping[str, Any] | None = None,
) -> Any:
    """An instance of a model from the options asked for, given their names' fields."""
    values = {fields[option]: value for option, (value, _) in asked.items() if option in fields}
    try:
        return model.model_validate({**(shared or {}), **values})
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        message = message[0].lower() + message[1:]
        if not first["loc"]:
            raise UsageError(_in_options(message, fields, asked)) from error
        field = str(first["loc"][0])
        option = next((option for option, its in fields.items() if its == field), field)
        written = asked[option][1].names(option) if option in asked else f"--{option}"
        about = model.model_fields[field].description
        value = f"{written} {first['input']!r}" if first["type"] != "missing" else written
        mend = f" ({about})" if about else ""
        raise UsageError(f"{value}: {message}{mend}") from error


def _in_options(
    message: str, fields: Mapping[str, str], asked: Mapping[str, tuple[Any, Layer]]
) -> str:
    """A message on several fields, told of their options, as they were written."""
    options = {field: option for option, field in fields.items()}
    options |= {Layer(None, {}).spells(option): option for option in fields}
    told = [options[name] for name in _NAME.findall(message) if name in options]
    layer = next((asked[option][1] for option in told if option in asked), Layer(None, {}))

    def spelled(found: re.Match[str]) -> str:
        option = options.get(found[0])
        return found[0] if option is None else layer.spells(option)

    return layer.prefix + _NAME.sub(spelled, message)
