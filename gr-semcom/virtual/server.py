# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line ``python -m semcom_virtual``: virtual radios on one air until Ctrl-C."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any

import typer

from semcom_phy.named_channels import DELAY_SPREAD_S, RICIAN_K_DB, named_channel
from semcom_virtual.air import Air, AirConfig
from semcom_virtual.clock import Clock, ElasticClock, RealtimeClock
from semcom_virtual.control import ControlSocket, ask
from semcom_virtual.faults import FAULT_SYNTAX, Fault
from semcom_virtual.kinds import KINDS, RadioOptions, VirtualRadio
from semcom_virtual.radio_model import Imperfections
from semcom_virtual.usrp_module import UsrpModuleError, usrp_environment
from semcom_virtual.usrp_radio import usrp_address

USAGE, UNAVAILABLE = 2, 3
"""Exit codes: bad options; an address in use."""

DEFAULT_PORT = 30431
"""Of IIOD."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class ClockName(StrEnum):
    """How the radios' time goes on."""

    elastic = "elastic"
    realtime = "realtime"


@app.command()
def run(
    pluto: Annotated[int, typer.Option(min=0, max=8, help="number of PlutoSDRs")] = 0,
    usrp: Annotated[int, typer.Option(min=0, max=8, help="number of USRPs")] = 0,
    antennas: Annotated[int, typer.Option(min=1, max=2, help="of each Pluto")] = 1,
    port: Annotated[
        int, typer.Option(min=0, max=65500, help="TCP port of the first Pluto; 0 for any")
    ] = DEFAULT_PORT,
    path_loss: Annotated[float, typer.Option(help="between antennas, in dB")] = 60.0,
    delay: Annotated[float, typer.Option(help="from radio to radio, in s")] = 0.0,
    hears_itself: Annotated[
        bool, typer.Option(help="a radio's receiver hears its own transmitter")
    ] = True,
    channel: Annotated[
        str, typer.Option(help="awgn, rayleigh, rician, tdl-a to tdl-e, or trace:FILE")
    ] = "awgn",
    delay_spread: Annotated[
        float, typer.Option(help="RMS delay spread of tdl-a to tdl-e, in s")
    ] = DELAY_SPREAD_S,
    doppler: Annotated[float, typer.Option(help="largest Doppler shift, in Hz")] = 0.0,
    rician_k: Annotated[float, typer.Option(help="K-factor of rician, in dB")] = RICIAN_K_DB,
    converter_bits: Annotated[
        int | None, typer.Option(help="of converters; default: those of the radio, 12")
    ] = None,
    ppm: Annotated[
        list[float] | None,
        typer.Option(help="error of a radio's oscillator; once for each radio, Plutos first"),
    ] = None,
    rx_iq_gain: Annotated[float, typer.Option(help="IQ imbalance of receivers, in dB")] = 0.0,
    rx_iq_phase: Annotated[float, typer.Option(help="the same, in degrees")] = 0.0,
    tx_iq_gain: Annotated[float, typer.Option(help="IQ imbalance of transmitters, in dB")] = 0.0,
    tx_iq_phase: Annotated[float, typer.Option(help="the same, in degrees")] = 0.0,
    rx_dc: Annotated[
        tuple[float, float], typer.Option(help="DC offset of receivers: I and Q of full scale 1")
    ] = (0.0, 0.0),
    rx_channel_gain: Annotated[
        float, typer.Option(help="gain of the second receiver over the first, in dB")
    ] = 0.0,
    rx_channel_phase: Annotated[
        float, typer.Option(help="phase of the second receiver over the first, in degrees")
    ] = 0.0,
    tx_channel_gain: Annotated[
        float, typer.Option(help="gain of the second transmitter over the first, in dB")
    ] = 0.0,
    tx_channel_phase: Annotated[
        float, typer.Option(help="phase of the second transmitter over the first, in degrees")
    ] = 0.0,
    clock: Annotated[
        ClockName, typer.Option(help="elastic: waits for programs that lag; realtime: does not")
    ] = ClockName.elastic,
    seed: Annotated[int, typer.Option(min=0, help="of noise and fading")] = 0,
    fault: Annotated[
        list[str] | None, typer.Option(help=f"{FAULT_SYNTAX}; may be given again")
    ] = None,
    control: Annotated[
        str | None, typer.Option(help="ZMQ endpoint for status and faults, as ipc:///tmp/air")
    ] = None,
    request: Annotated[
        str | None,
        typer.Option("--ask", help="ask radios that run, at --control: 'status', 'fault FAULT'"),
    ] = None,
    stop_with_input: Annotated[
        bool, typer.Option("--stop-with-input", help="end when standard input is closed")
    ] = False,
    print_usrp_environment: Annotated[
        bool,
        typer.Option(
            "--usrp-environment",
            help="print the shell's lines with which UHD finds the USRPs of this --port, and end",
        ),
    ] = False,
) -> None:
    """Virtual radios beneath the vendors' own libraries, joined by one medium, until Ctrl-C."""
    if request is not None:
        typer.echo(ask(control or "", request))
        return
    if print_usrp_environment:
        for name, value in usrp_environment(usrp_address(port)).items():
            typer.echo(f"export {name}='{value}'")
        return
    wrong = Imperfections(
        tx_iq_gain_db=tx_iq_gain,
        tx_iq_phase_deg=tx_iq_phase,
        rx_iq_gain_db=rx_iq_gain,
        rx_iq_phase_deg=rx_iq_phase,
        rx_dc=complex(*rx_dc),
        tx_channel_gain_db=tx_channel_gain,
        tx_channel_phase_deg=tx_channel_phase,
        rx_channel_gain_db=rx_channel_gain,
        rx_channel_phase_deg=rx_channel_phase,
    )
    specimens = _specimens(wrong, ppm or [], pluto + usrp)
    multipath = named_channel(channel, delay_spread, doppler, rician_k)
    config = AirConfig(path_loss, multipath, delay, hears_itself, seed)
    options = RadioOptions(antennas, converter_bits, port, specimens)
    faults = [Fault.parse(text) for text in fault or []]
    air = Air(config, _CLOCKS[clock.value]())
    radios: dict[str, VirtualRadio] = {}
    try:
        radios |= _start("pluto", air, replace(options, imperfections=specimens[:pluto]))
        radios |= _start("usrp", air, replace(options, imperfections=specimens[pluto:]))
        if control is not None:
            ControlSocket(control, radios)
        for one in faults:
            one.schedule(radios)
        for name, radio in radios.items():
            typer.echo(f"{name}: {radio.describe()}")
        sys.stdout.flush()
        _wait(air, stop_with_input)
    finally:
        for radio in radios.values():
            radio.close()
        air.close()


def _specimens(
    wrong: Imperfections, ppm: Sequence[float], radios: int
) -> tuple[Imperfections, ...]:
    """Of each radio; those without an oscillator error of their own have none."""
    if not radios:
        raise ValueError("no radio: give --pluto 1 or --usrp 1")
    if len(ppm) > radios:
        raise ValueError(f"--ppm is given {len(ppm)} times for {radios} radios")
    errors = [*ppm, *[0.0] * (radios - len(ppm))]
    return tuple(replace(wrong, ppm=error) for error in errors)


def _start(kind: str, air: Air, options: RadioOptions) -> dict[str, VirtualRadio]:
    """Radios of a kind, by name; none where there are to be none."""
    if not options.imperfections:
        return {}
    return {f"{kind}{number}": radio for number, radio in enumerate(KINDS[kind](air, options))}


_CLOCKS: dict[str, type[Clock]] = {"elastic": ElasticClock, "realtime": RealtimeClock}


def _wait(air: Air, stop_with_input: bool) -> None:
    """Until a signal, the end of standard input where that counts, or a fault of this program."""
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    if stop_with_input:

        def read() -> None:
            # Past Python's buffer, whose lock this thread would hold at the end.
            while os.read(sys.stdin.fileno(), 4096):
                pass
            over.set()

        threading.Thread(target=read, daemon=True).start()
    while not over.wait(0.5):
        if air.failure is not None:
            raise RuntimeError("the air has stopped") from air.failure


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; its exit code."""
    command = typer.main.get_command(app)
    name = "python -m semcom_virtual"
    try:
        code = command.main(args=arguments, prog_name=name, standalone_mode=False)
    except (typer.Exit, typer.Abort) as stop:
        return int(getattr(stop, "exit_code", 1))
    except _BAD_USAGE as error:
        return _fail(error.format_message(), USAGE)
    except ValueError as error:
        return _fail(str(error), USAGE)
    except UsrpModuleError as error:
        return _fail(str(error), UNAVAILABLE)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return _fail(str(error), UNAVAILABLE)
        return _fail(f"{error.strerror}: choose another --port or --control", UNAVAILABLE)
    return int(code or 0)


_BAD_USAGE: Any = typer.BadParameter.__mro__[2]
"""Click's ``ClickException``; newer versions of Typer bring a Click of their own."""


def _fail(message: str, code: int) -> int:
    with suppress(OSError):
        print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return code
