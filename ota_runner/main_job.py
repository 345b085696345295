# SPDX-License-Identifier: GPL-3.0-or-later
"""``ota_runner --radio ... --scheme ...``: from options to a finished run folder."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from pydantic import BaseModel

from ota_runner.choice import Choice
from ota_runner.config import FADING, Layer, RunConfig, Settings, resolve, resolve_numerology
from ota_runner.console import ProgressView, print_table, result_table, say
from ota_runner.errors import ExitCode, LinkFailed, UsageError, one_line
from ota_runner.feedback_loop import feedback_loop
from ota_runner.numerology import numerology_label
from ota_runner.precoding import precoding
from ota_runner.radios import LinkPlan, RadioChoice
from ota_runner.record import Manifest, PictureRecord, RunFolder, first_difference
from ota_runner.report import write_report
from ota_runner.schedule import Schedule, schedule
from ota_runner.summary import Summary, summarise
from ota_runner.versions import machine, versions
from semcom_models.codecs import registry
from semcom_models.codecs.separate_mcs import HINDSIGHT
from semcom_phy.named_channels import FADING_NAMES

if TYPE_CHECKING:
    from ota_runner.delivery import OpenRoute, Route
    from ota_runner.run import Observer
    from semcom_models.codecs.base import Codec

DONE = ("completed", "lost")
"""What ``--resume`` leaves alone; a picture that failed is tried again."""


@dataclass(frozen=True)
class Invocation:
    """What is asked of this call, and not of the run.

    Attributes:
        resume: go on with the run in the output folder.
        json: print the summary, and nothing else, on stdout.
        verbose: print tracebacks.
        command: as typed.
    """

    resume: bool
    json: bool
    verbose: bool
    command: str


def main_job(layers: Sequence[Layer], choice: Choice, invocation: Invocation) -> ExitCode:
    """Send pictures and leave a run folder.

    Args:
        layers: of options, later ones win.
        choice: the radio and the scheme they name.
        invocation: of this call.

    Raises:
        UsageError: bad options, pictures, weights or output.
        RadioUnavailable: the radio is not there.
        OutputFailed: the folder cannot be written any more.
    """
    with interrupted_once():
        settings = resolve(layers, choice.radio.options, choice.scheme.options)
        if getattr(settings.scheme, "mcs", None) == HINDSIGHT:
            raise UsageError(
                "--mcs hindsight chooses among many runs: use it in a sweep, or choose adaptive"
            )
        view = partial(ProgressView, verbose=invocation.verbose)
        outcome = run_job(settings, open_codec(settings), choice.radio, invocation, view)
        return tell(outcome, invocation)


@dataclass(frozen=True)
class Outcome:
    """What a run came to; its folder is summed up and reported.

    Attributes:
        folder: of the run.
        summary: of the pictures that have a record.
        interrupted: by Ctrl-C or SIGTERM, so that some may have none.
        broken: how the link broke, so that some may have none; None where it did not.
    """

    folder: RunFolder
    summary: Summary
    interrupted: bool
    broken: str | None = None


def run_job(
    settings: Settings,
    codec: Codec,
    choice: RadioChoice,
    invocation: Invocation,
    view: Callable[[int, int], AbstractContextManager[Observer]],
    route: Route | None = None,
) -> Outcome:
    """Send the pictures of a run and leave its folder, finished or not.

    Args:
        settings: of the run.
        codec: as :func:`open_codec` opens it for them.
        choice: the radio they name.
        invocation: of this call.
        view: makes what shows progress, from the number of pictures and of those already done.
        route: to the receiver; None for the radio's own, in this program.

    Raises:
        UsageError: bad pictures or output.
        RadioUnavailable: the radio is not there.
        OutputFailed: the folder cannot be written any more.
    """
    from ota_runner.delivery import within_this_program  # with PyTorch, which takes a while
    from ota_runner.run import Job, send_pictures

    run, mimo = settings.run, precoding(settings)
    loop = feedback_loop(run, choice.simulated)
    plan = schedule(run, choice)
    pictures = plan.pictures
    old = run_to_resume(settings, invocation)
    folder = old or RunFolder.create(run.output, registry.scheme_info(run.scheme).name, run.radio)
    interrupted, broken = False, None
    try:
        recording = folder.new_iq() if run.record_iq else None
        link_plan = LinkPlan(
            resolve_numerology(run),
            recording,
            run.clipping,
            mimo.precoder,
            mimo.combiner,
            mimo.reports,
            loop.known if loop.closed else None,
            run.snr,
            run.profile,
            run.profiles,
        )
        way = (route or within_this_program(choice))(settings, link_plan)
        with way.delivery as delivery:
            sets_snr = choice.simulated or way.snr_chosen
            manifest = _manifest(settings, codec, way, plan, sets_snr, invocation.command)
            continues = getattr(settings.radio, "channel_continues", False)
            done = _go_on(folder, manifest, continues) if old else []
            if plan.distinct < len(pictures):
                say(f"pictures are sent again: {plan.distinct} found, {len(pictures)} to send")
            if run.precoder != "none" and fades_anew(settings.radio):
                say(
                    f"--precoder {run.precoder}: every picture meets a channel of its own, of "
                    "which the one before tells its first frame nothing; see --channel-continues"
                )
            if not old:
                folder.begin(settings.as_mapping(), manifest)
            loop.catch_up(done)
            finished = {record.picture for record in done}
            job = Job(
                codec=codec,
                options=settings.scheme,
                cbr=_codec_cbr(run),
                snr_db=run.snr,
                trace_db=plan.trace_db,
                seed=run.seed,
                streams=run.streams,
                sets_snr=sets_snr,
                feedback=loop,
            )
            left = [picture for picture in pictures if picture.number not in finished]
            with view(len(pictures), len(finished)) as observer:
                send_pictures(left, job, delivery, folder, observer)
    except LinkFailed as error:
        broken = one_line(error)
        say(f"{error}; go on with --resume --output {folder.path}")
    except KeyboardInterrupt:
        if not folder.holds_run:
            raise
        interrupted = True
    finally:
        if not folder.holds_run:
            folder.abandon()
    summary = summarise(folder.manifest(), folder.records())
    folder.write_summary(summary)
    write_report(folder)
    return Outcome(folder, summary, interrupted, broken)


def open_codec(settings: Settings) -> Codec:
    """Open the codec of a run.

    Raises:
        UsageError: no such scheme, preset or weights, or none for the CBR asked for.
    """
    run = settings.run
    try:
        return registry.load(run.scheme, run.preset, _codec_cbr(run), run.weights)
    except ValueError as error:
        because = f"; --streams {run.streams} asks it for as many symbols a channel use"
        raise UsageError(f"{error}{because if run.streams > 1 else ''}") from error


def _codec_cbr(run: RunConfig) -> float | None:
    """Symbols for each source value that a codec is asked for: one a stream and channel use."""
    return None if run.cbr is None else run.cbr * run.streams


def run_to_resume(settings: Settings, invocation: Invocation) -> RunFolder | None:
    """The folder to go on with, or None to begin one.

    Raises:
        UsageError: it was begun with other options, or none is named.
    """
    if not invocation.resume:
        return None
    output = settings.run.output
    if output is None:
        raise UsageError("--resume needs --output, the folder of the run to go on with")
    folder = RunFolder(output)
    if not folder.holds_run:
        return None
    different = first_difference(folder.config(), settings.as_mapping())
    if different is not None:
        values = [of.get(different) for of in (folder.config(), settings.as_mapping())]
        if different == "numerology":
            values = [numerology_label(value) for value in values]
        raise UsageError(
            f"--resume: {output} was begun with {different}: {values[0]}, not {values[1]}; "
            "leave it out, or give another --output"
        )
    return folder


def fades_anew(radio: BaseModel) -> bool:
    """Whether each picture meets a fading channel of its own."""
    channel = getattr(radio, "channel", "awgn")
    return channel in FADING_NAMES and not getattr(radio, "channel_continues", False)


def _go_on(folder: RunFolder, manifest: Manifest, continues: bool) -> list[PictureRecord]:
    """Check that the run is still the same; records of the pictures that are done."""
    begun = folder.manifest()
    if continues:
        raise UsageError(
            "--resume: with --channel-continues a picture meets the channel where the one before "
            "left it, which a run that was interrupted has lost; give another --output"
        )
    if begun.pictures != manifest.pictures:
        raise UsageError(
            f"--resume: the pictures are not those that {folder.path} was begun with; "
            "give another --output"
        )
    if begun.snr_trace_db != manifest.snr_trace_db:
        raise UsageError(
            f"--resume: the SNR trace is not that which {folder.path} was begun with; "
            "give another --output"
        )
    if begun.weights_sha256 != manifest.weights_sha256:
        raise UsageError(
            f"--resume: {folder.path} was begun with other weights ({begun.weights} "
            f"{begun.weights_sha256}, now {manifest.weights} {manifest.weights_sha256}); "
            "name those with --weights, or give another --output"
        )
    if not begun.begun_with_file(manifest.scheme_sha256):
        raise UsageError(
            f"--resume: the scheme's file is not what {folder.path} was begun with "
            f"({begun.scheme_sha256}, now {manifest.scheme_sha256}); "
            "bring that back, or give another --output"
        )
    folder.mend()
    return [record for record in folder.records() if record.status in DONE]


def _manifest(
    settings: Settings,
    codec: Codec,
    way: OpenRoute,
    plan: Schedule,
    sets_snr: bool,
    command: str,
) -> Manifest:
    run, label = settings.run, codec.label
    chosen = registry.preset_of(label, run.weights)
    return Manifest(
        scheme=chosen.scheme,
        preset=chosen.name,
        weights=chosen.weights,
        weights_sha256=f"{label.weights:08x}" if chosen.weights else None,
        scheme_sha256=registry.file_sha256(run.scheme),
        radio=run.radio,
        channel=way.description,
        sample_rate=way.sample_rate,
        pictures=[picture.name for picture in plan.pictures],
        snr_set_db=run.snr if sets_snr and run.snr_trace in (None, *FADING) else None,
        snr_trace_db=plan.trace_db,
        versions=versions(),
        machine=machine(),
        command=command,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        run=way.run,
    )


def tell(outcome: Outcome, invocation: Invocation, go_on: str | None = None) -> ExitCode:
    """Print what a run came to, as a table or JSON; the exit code.

    Args:
        outcome: of the run.
        invocation: of this call.
        go_on: how one that was interrupted is gone on with; None for ``--resume``.
    """
    folder, summary = outcome.folder, outcome.summary
    if invocation.json:
        print(summary.model_dump_json(indent=1), flush=True)
    else:
        print_table(result_table(summary, folder.records()))
        print(f"report: {folder.path / 'report.html'}", flush=True)
    if outcome.interrupted:
        say(f"interrupted; {go_on or f'go on with --resume --output {folder.path}'}")
        return ExitCode.INTERRUPTED
    return ExitCode.DONE if summary.completed == summary.images else ExitCode.INCOMPLETE


@contextmanager
def interrupted_once() -> Iterator[None]:
    """Ctrl-C or SIGTERM ends a run: finished pictures summed up, transmitter off.

    That takes a second or two, in which further signals are ignored: ``timeout`` sends its own
    twice, and who is impatient sends more.
    """
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    try:
        for each in before:
            signal.signal(each, interrupt)
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def stored_layer(output: Path) -> Layer | None:
    """Options of the run in a folder, as the lowest layer of a call that resumes it."""
    folder = RunFolder(output)
    return Layer(str(folder.config_file), folder.config()) if folder.holds_run else None
