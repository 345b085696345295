# SPDX-License-Identifier: GPL-3.0-or-later
"""``ota_runner tx`` and ``ota_runner rx``: a run over two hosts."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ota_runner.choice import Choice
from ota_runner.config import Layer, RunConfig, Settings, resolve, resolve_numerology
from ota_runner.console import ProgressView, say
from ota_runner.errors import ExitCode, RadioUnavailable, UsageError
from ota_runner.main_job import (
    Invocation,
    Outcome,
    interrupted_once,
    open_codec,
    run_job,
    run_to_resume,
    tell,
)
from ota_runner.precoding import precoding
from ota_runner.radios import LinkPlan
from ota_runner.record import Label
from ota_runner.schedule import schedule
from ota_runner.versions import package_version
from semcom_models.codecs import registry
from semcom_phy.exchange import CodecLabel

if TYPE_CHECKING:
    from ota_runner.control_messages import Hello
    from ota_runner.control_socket import ControlClient, ControlServer
    from ota_runner.delivery import OpenRoute, Route
    from ota_runner.receiving_host import ReceivingHost, Terms

    _Control = TypeVar("_Control", ControlClient, ControlServer)

_PORT = 5570

_GO_ON = "go on with the same --output, and --resume at the transmitter"


class _HostOptions(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    keys: Annotated[
        Path | None,
        Field(
            description="folder of this end's keys, see `ota_runner keys`; needed where the other "
            "end is another machine"
        ),
    ] = None


class TransmitterOptions(_HostOptions):
    """Options of ``ota_runner tx``."""

    peer: Annotated[str, Field(description="endpoint at which the receiver listens")] = (
        f"tcp://127.0.0.1:{_PORT}"
    )
    patience: Annotated[
        float,
        Field(ge=0, le=1e6, description="seconds to wait for a receiver that went away"),
    ] = 600.0


class ReceiverOptions(_HostOptions):
    """Options of ``ota_runner rx``."""

    listen: Annotated[
        str, Field(description="endpoint at which the transmitter is awaited; tcp://*:5570 for any")
    ] = f"tcp://127.0.0.1:{_PORT}"


_OF_THE_RECEIVER = (
    "radio",
    "scheme",
    "snr",
    "weights",
    "numerology",
    "rate",
    "profile",
    "profiles",
    "antennas",
    "streams",
    "precoder",
    "stream_power",
    "csi_bits",
    "csi_error",
    "seed",
    "output",
)
"""Options of a run that a receiver has; of the scheme it needs to know only with PCEN."""


@dataclass(frozen=True)
class HostCommand:
    """One of the two programs.

    Attributes:
        options: model of its own options.
        of_run: those of a run that it has too.
        run: does it, given layers of options, what they choose, its own options and the call.
        help: for its help page.
    """

    options: type[_HostOptions]
    of_run: tuple[str, ...]
    run: Callable[[Sequence[Layer], Choice, Any, Invocation], ExitCode]
    help: str


def transmit(
    layers: Sequence[Layer], choice: Choice, host: TransmitterOptions, invocation: Invocation
) -> ExitCode:
    """Send pictures to a receiver in another program, on this machine or elsewhere.

    Raises:
        UsageError: bad options, pictures, weights, output or keys, or the receiver refuses.
        RadioUnavailable: the radio or the receiver is not there.
        OutputFailed: the folder cannot be written any more.
    """
    from ota_runner.control_socket import ControlClient
    from ota_runner.transmitting_host import take_leave

    # Its channel is the receiver's business.
    choice = replace(choice, radio=replace(choice.radio, simulated=False))
    with interrupted_once():
        settings = resolve(layers, choice.radio.options, choice.scheme.options)
        codec = open_codec(settings)
        if settings.run.record_iq:
            raise UsageError("--record-iq: a run over two hosts is not recorded: leave it out")
        settings = _with_keys(settings, host)
        old = run_to_resume(settings, invocation)
        run = (old and old.manifest().run) or secrets.token_hex(8)
        hello = _hello(
            run, settings, codec.label, len(schedule(settings.run, choice.radio).pictures)
        )
        view = partial(ProgressView, verbose=invocation.verbose)
        with _control(ControlClient, "--peer", host.peer, host.keys) as control:
            outcome: Outcome | None = None
            try:
                route = _to_another_host(choice.radio.name, control, hello, host.patience)
                outcome = run_job(settings, codec, choice.radio, invocation, view, route)
            finally:
                take_leave(control, run, outcome)
        return tell(outcome, invocation)


def _to_another_host(radio: str, control: ControlClient, hello: Hello, patience_s: float) -> Route:
    """The way over a radio here to a receiver elsewhere."""
    from ota_runner.delivery import OpenRoute
    from ota_runner.flowgraph import open_transmitter
    from ota_runner.transmitting_host import HostDelivery, ReceivingPeer

    def open_(settings: Settings, plan: LinkPlan) -> OpenRoute:
        opened = open_transmitter(radio, settings.radio, plan)
        link, description = opened.link, opened.description
        peer = ReceivingPeer(control, hello, plan.known)
        try:
            peer.meet()
        except BaseException:
            link.close()
            peer.close()
            raise
        description = {**description, "receiver": peer.radio}
        delivery = HostDelivery(link, peer, control, patience_s)
        return OpenRoute(delivery, description, plan.numerology.sample_rate, run=hello.run)

    return open_


def receive(
    layers: Sequence[Layer], choice: Choice, host: ReceiverOptions, invocation: Invocation
) -> ExitCode:
    """Receive the pictures of a run, which a transmitter in another program begins.

    Raises:
        UsageError: bad options, output or keys.
        RadioUnavailable: the radio is not there, or nobody can call at the endpoint.
        OutputFailed: the folder cannot be written any more.
    """
    from ota_runner.control_socket import ControlServer
    from ota_runner.flowgraph import open_receiver
    from ota_runner.receiving_host import ReceivingHost

    with interrupted_once():
        settings = resolve(layers, choice.radio.options, choice.scheme.options)
        settings = _with_keys(settings, host)
        run, mimo = settings.run, precoding(settings)
        plan = LinkPlan(
            resolve_numerology(run),
            combiner=mimo.combiner,
            reports=mimo.reports,
            profile=run.profile,
            profiles=run.profiles,
        )
        open_link = partial(open_receiver, run.radio, settings.radio, plan)
        with _control(ControlServer, "--listen", host.listen, host.keys) as control:
            serving = ReceivingHost(open_link, control, _terms(settings, invocation.command))
            interrupted = False
            try:
                serving.serve()
            except KeyboardInterrupt:
                interrupted = True
        return _tell(serving, interrupted, invocation)


def _tell(serving: ReceivingHost, interrupted: bool, invocation: Invocation) -> ExitCode:
    """Sum up what was received and print it; the exit code."""
    if serving.run is None:
        say("interrupted: no run was begun" if interrupted else "no run was begun")
        return ExitCode.INTERRUPTED if interrupted else ExitCode.INCOMPLETE
    if serving.stopped_because is not None:
        say(f"the run was stopped: {serving.stopped_because}")
    summary = serving.run.finish(serving.summary)
    return tell(Outcome(serving.run.folder, summary, interrupted), invocation, _GO_ON)


def _with_keys(settings: Settings, host: _HostOptions) -> Settings:
    """The keys of a host also for its samples, where the radio sends them over ZMQ."""
    radio = settings.radio
    if host.keys is None or getattr(radio, "sample_keys", host.keys) is not None:
        return settings
    return replace(settings, radio=radio.model_copy(update={"sample_keys": host.keys.resolve()}))


@contextmanager
def _control(
    kind: type[_Control], option: str, endpoint: str, keys: Path | None
) -> Iterator[_Control]:
    """A control connection; what is wrong with its endpoint or keys is told as an option's fault.

    Raises:
        UsageError: no endpoint, one beyond this machine without keys, or bad keys.
        RadioUnavailable: nobody can call there.
    """
    from gnuradio.semcom.curve_keys import load_keys

    try:
        own = None if keys is None else load_keys(keys)
    except (ValueError, OSError) as error:
        raise UsageError(f"--keys {keys}: {error}") from error
    try:
        control = kind(endpoint, own)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
    except OSError as error:
        raise RadioUnavailable(f"{option} {endpoint}: {error}") from error
    with control:
        yield control


def _hello(run: str, settings: Settings, label: CodecLabel, pictures: int) -> Hello:
    from ota_runner.control_messages import Hello

    preset = registry.preset_of(label, settings.run.weights)
    return Hello(
        run=run,
        version=package_version(),
        scheme=preset.scheme,
        preset=preset.name,
        label=Label(**asdict(label)),
        numerology=_numbers(settings.run),
        settings=_agreed(settings.run),
        pictures=pictures,
    )


def _terms(settings: Settings, command: str) -> Terms:
    from ota_runner.receiving_host import Terms

    run = settings.run
    return Terms(
        numerology=_numbers(run),
        settings=_agreed(run),
        config=settings.as_mapping(),
        weights=run.weights,
        output=run.output,
        sample_rate=resolve_numerology(run).sample_rate,
        command=command,
    )


def _numbers(run: RunConfig) -> dict[str, Any]:
    """Of the waveform, as JSON has them."""
    numbers: dict[str, Any] = json.loads(json.dumps(asdict(resolve_numerology(run))))
    return numbers


def _agreed(run: RunConfig) -> dict[str, Any]:
    """What both ends must do alike besides the waveform; the frame header tells the rest."""
    if run.precoder == "none":
        return {"precoder": "none"}
    names = ("precoder", "streams", "stream_power", "csi_bits", "csi_error")
    return {name: getattr(run, name) for name in names}


HOSTS = {
    "tx": HostCommand(
        TransmitterOptions,
        tuple(name for name in RunConfig.model_fields if name not in ("snr_trace", "record_iq")),
        transmit,
        "Send pictures to a receiver in another program: `ota_runner rx`, here or elsewhere.",
    ),
    "rx": HostCommand(
        ReceiverOptions,
        _OF_THE_RECEIVER,
        receive,
        "Receive, decode and report the pictures that `ota_runner tx` sends.",
    ),
}
"""The two programs by name."""
