# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line ``ota_runner``.

Without a subcommand it is the main job. Its options are the fields of
:class:`ota_runner.config.RunConfig` and of the options models of the radio and the scheme that
``--radio`` and ``--scheme`` name: ``ota_runner --radio loopback --help`` lists that radio's own.
Each subcommand is a module of its own that adds itself to the program.
"""

from __future__ import annotations

import argparse
import inspect
import os
import shlex
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, NoReturn, get_args

import typer
from pydantic import BaseModel

from ota_runner import (
    calibrate,
    compare,
    contact_sheet,
    doctor,
    keys,
    report,
    schemes,
    sweep,
    train,
)
from ota_runner.choice import Choice, choose
from ota_runner.config import Layer, RunConfig, own_options, read_layer, validated
from ota_runner.console import say
from ota_runner.errors import ExitCode, RadioUnavailable, RunnerError, UsageError, one_line
from ota_runner.main_job import Invocation, main_job, stored_layer
from ota_runner.radios import RadioChoice, choose_radio
from ota_runner.two_hosts import HOSTS

SUBCOMMANDS: dict[str, Callable[..., None]] = {
    "sweep": sweep.command,
    "compare": compare.command,
    "train": train.command,
    "schemes": schemes.command,
    "report": report.command,
    "sheet": contact_sheet.command,
    "keys": keys.command,
    "calibrate": calibrate.command,
    "doctor": doctor.command,
}

_DECIDING = [field.name for field in fields(Choice)]
"""Options that decide which others there are: they are known before the others are parsed."""

_HELP = """Send pictures over a radio with learned joint source-channel codes.

Without a command, pictures go through codec and radio, and a run folder with pictures, figures
and a report is left. Further options depend on radio and scheme: ask with --radio NAME
--scheme NAME --help.
"""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and exit."""
    code = execute(list(sys.argv[1:] if arguments is None else arguments))
    # Python takes a while to end; a second Ctrl-C must not change what the run came to.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)


def execute(arguments: list[str]) -> int:
    """Run the program.

    Args:
        arguments: the words after the program's name.

    Returns:
        The exit code, see :class:`ota_runner.errors.ExitCode`.
    """
    # Standard output is for results. GNU Radio reads this when it is first imported.
    os.environ.setdefault("GR_CONF_LOG_LOG_FILE", "stderr")
    verbose = bool({"-v", "--verbose"} & set(arguments))
    words = [word for word in arguments if word not in ("-v", "--verbose")]
    try:
        return _dispatch(words, verbose)
    except KeyboardInterrupt:
        say("interrupted")
        return ExitCode.INTERRUPTED
    except (typer.Exit, typer.Abort) as stop:
        return int(getattr(stop, "exit_code", ExitCode.INTERRUPTED))
    except _BAD_USAGE as error:
        return _fail(error, error.format_message(), ExitCode.USAGE, verbose)
    except RunnerError as error:
        return _fail(error, one_line(error), error.exit_code, verbose)
    except Exception as error:
        message = f"{one_line(error)} (a fault of this program; -v shows where)"
        return _fail(error, message, ExitCode.INTERNAL, verbose)


_BAD_USAGE: Any = typer.BadParameter.__mro__[2]
"""Click's ``ClickException``; newer versions of Typer bring a Click of their own."""


def _fail(error: Exception, message: str, code: ExitCode, verbose: bool) -> ExitCode:
    """Say what went wrong, on one line."""
    if verbose:
        traceback.print_exception(error)
    say(f"error: {' '.join(message.split())}")
    return code


def _dispatch(words: list[str], verbose: bool) -> int:
    if words and words[0] in HOSTS:
        return _run(words[1:], verbose, words[0])
    if words and words[0] in SUBCOMMANDS:
        return _call(_program(radio=_radio_of(words)), words)
    if not words:
        return _call(_program(), ["--help"])
    return _run(words, verbose)


def _run(words: list[str], verbose: bool, host: str | None = None) -> int:
    """A run: with both ends in this program, or one of them on this ``host``."""
    layers = _layers_before_parsing(words)
    try:
        choice = choose(layers)
    except RadioUnavailable:
        if "--help" not in words:
            raise
        return _call(_program(), words)
    options: dict[str, Any] = {}
    name = "ota_runner" if host is None else f"ota_runner {host}"
    code = _call(_program(choice, options, host), words, name)
    if not options:  # --help
        return code
    invocation = Invocation(
        resume=options.get("resume", False),
        json=options["json"],
        verbose=verbose,
        command=shlex.join([*name.split(), *words]),
    )
    for parameter in _INVOCATION:
        options.pop(parameter.name, None)
    typed = {name: value for name, value in options.items() if value is not None}
    if host is None:
        return main_job([*layers[:-1], Layer(None, typed)], choice, invocation)
    model = HOSTS[host].options
    own = {name: typed.pop(name) for name in model.model_fields if name in typed}
    layers = [*layers[:-1], Layer(None, typed)]
    return HOSTS[host].run(layers, choice, validated(model, own), invocation)


def _call(program: typer.Typer, words: list[str], name: str = "ota_runner") -> int:
    result = typer.main.get_command(program).main(args=words, prog_name=name, standalone_mode=False)
    return int(result or ExitCode.DONE)


def _layers_before_parsing(words: list[str]) -> list[Layer]:
    """Layers of options from files, and what was typed of those that decide which there are."""
    scanner = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for option in _DECIDING:
        scanner.add_argument(f"--{option}", nargs="?")
    scanner.add_argument("--config", nargs="?", type=Path)
    scanner.add_argument("--output", nargs="?", type=Path)
    scanner.add_argument("--resume", action="store_true")
    try:
        found, _ = scanner.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise UsageError(str(error).removeprefix("argument ")) from error
    layers: list[Layer | None] = []
    if found.resume and found.output is not None:
        layers.append(stored_layer(found.output))
    if found.config is not None:
        layers.append(read_layer(found.config))
    typed = {option: getattr(found, option) for option in _DECIDING}
    layers.append(Layer(None, {name: value for name, value in typed.items() if value is not None}))
    return [layer for layer in layers if layer is not None]


def _radio_of(words: list[str]) -> RadioChoice | None:
    """The radio that a subcommand's ``--radio`` names; None where it takes no radio's options."""
    if not _takes_others(SUBCOMMANDS[words[0]]):
        return None
    scanner = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    scanner.add_argument("--radio", nargs="?")
    name = scanner.parse_known_args(words)[0].radio
    return None if name is None else choose_radio(name)


def _program(
    choice: Choice | None = None,
    options: dict[str, Any] | None = None,
    host: str | None = None,
    radio: RadioChoice | None = None,
) -> typer.Typer:
    """The program with a run's options; calling it puts their values into ``options``.

    Args:
        choice: what brings options besides; None for none.
        options: takes the values.
        host: one of ``tx`` and ``rx`` with its own; None for the main job and all subcommands.
        radio: whose options go with subcommands that take any; None for none.
    """
    program = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    commands = {} if host else {**{name: _named(name) for name in HOSTS}, **SUBCOMMANDS}
    for name, command in commands.items():
        program.command(name)(_with_options_of(radio, command))

    def main_options(**values: Any) -> None:
        if options is not None:
            options.update(values)

    of_run = HOSTS[host].of_run if host else tuple(RunConfig.model_fields)
    parameters = _parameters(RunConfig, {name: name for name in of_run}, "Options of every run")
    if host:
        own = HOSTS[host].options
        of_host = {name: name for name in own.model_fields}
        parameters = _parameters(own, of_host, f"Options of {host}") + parameters
    for option in _DECIDING if choice else ():
        chosen = getattr(choice, option)
        panel = f"Options of --{option} {chosen.name}"
        if chosen.options is not None:
            parameters += _parameters(chosen.options, own_options(chosen.options), panel)
    # A receiver goes on with the run that the transmitter goes on with.
    parameters += [p for p in _INVOCATION if host != "rx" or p.name != "resume"]
    about = HOSTS[host].help if host else _HELP
    main_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    main_options.__annotations__ = {p.name: p.annotation for p in parameters}
    if host:
        program.command(help=about)(main_options)
    else:
        program.callback(invoke_without_command=True, help=about)(main_options)
    return program


def _takes_others(command: Callable[..., None]) -> bool:
    """Whether a subcommand takes ``**options``: those of the radio that its ``--radio`` names."""
    kinds = [parameter.kind for parameter in inspect.signature(command).parameters.values()]
    return inspect.Parameter.VAR_KEYWORD in kinds


def _with_options_of(
    radio: RadioChoice | None, command: Callable[..., None]
) -> Callable[..., None]:
    """A subcommand, with a radio's options in the place of its ``**options`` if it has any."""
    if not _takes_others(command):
        return command
    *parameters, _ = inspect.signature(command, eval_str=True).parameters.values()
    if radio is not None:
        panel = f"Options of --radio {radio.name}"
        parameters += _parameters(radio.options, own_options(radio.options), panel)

    def with_options(**values: Any) -> None:
        command(**values)

    with_options.__doc__ = command.__doc__
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {p.name: p.annotation for p in parameters}
    return with_options


def _named(host: str) -> Callable[..., None]:
    """Stands for one of two hosts on the help page of all."""

    def command() -> None:
        raise AssertionError(f"{host} has a program of its own")

    command.__doc__ = HOSTS[host].help
    return command


def _parameters(
    model: type[BaseModel], options: Mapping[str, str], panel: str
) -> list[inspect.Parameter]:
    """Typer parameters for a model's fields by option name; None where nothing was typed."""
    parameters = []
    for name, field in options.items():
        info = model.model_fields[field]
        kind = _typed_as(info.annotation)
        if kind is None:
            continue
        dashed = name.replace("_", "-")
        option = typer.Option(
            f"--{dashed}/--no-{dashed}" if kind is bool else f"--{dashed}",
            help=f"{info.description}{_default(info.default)}",
            show_default=False,
            rich_help_panel=panel,
        )
        parameters.append(_parameter(name, Annotated[kind | None, option], None))
    return parameters


def _default(value: Any) -> str:
    return "" if value is None or value is False else f"; default {value}"


def _typed_as(annotation: Any) -> Any:
    """Type that a field's value is typed as; None for fields that only a file can set."""
    choices = [kind for kind in get_args(annotation) if kind is not type(None)]
    if isinstance(annotation, UnionType) and len(choices) == 1:
        annotation = choices[0]
    if annotation in (bool, int, float):
        return annotation
    structured = getattr(annotation, "__origin__", annotation) in (list, tuple, dict, set)
    return None if structured or isinstance(annotation, UnionType) else str


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default
    )


_INVOCATION = [
    _parameter(
        "config",
        Annotated[str | None, typer.Option("--config", help="YAML file of options, same names")],
        None,
    ),
    _parameter(
        "resume",
        Annotated[
            bool, typer.Option("--resume", help="go on with the run in --output, or begin it")
        ],
        False,
    ),
    _parameter(
        "json",
        Annotated[bool, typer.Option("--json", help="print summary.json on stdout, nothing else")],
        False,
    ),
    _parameter(
        "verbose",
        Annotated[bool, typer.Option("--verbose", "-v", help="show tracebacks")],
        False,
    ),
]
