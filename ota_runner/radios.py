# SPDX-License-Identifier: GPL-3.0-or-later
"""From a radio's name to a link: ``ideal`` here, all others from ``gnuradio.semcom``.

Nothing of GNU Radio is imported before a radio that needs it is asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from ota_runner.errors import RadioUnavailable, UsageError
from semcom_models.channel_options import ChannelOptions
from semcom_phy.channel_knowledge import ChannelKnowledge
from semcom_phy.csi_feedback import CsiReports
from semcom_phy.exchange import Combiner, Precoder
from semcom_phy.ideal import IdealLink
from semcom_phy.link import Link
from semcom_phy.numerology import Numerology

IDEAL = "ideal"


class IdealOptions(ChannelOptions):
    """A symbol-level channel that the receiver knows: no waveform, no GNU Radio."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    snr_db: Annotated[float, Field(description="Es/N0 behind a path of unit mean gain, in dB")] = (
        10.0
    )
    erase_fragments: Annotated[
        float, Field(ge=0, le=1, description="probability with which a fragment is lost, 0 to 1")
    ] = 0.0
    seed: Annotated[int, Field(ge=0, description="seed of fading, noise and erasures")] = 0


@dataclass(frozen=True)
class OpenRadio:
    """A link that is up, and what to write down of it.

    Attributes:
        link: up; leaving its context closes it.
        description: of the radio and its channel, plain data.
        sample_rate: samples per second, None without a waveform.
        snr_chosen: gains were chosen for the SNR asked for.
    """

    link: Link
    description: dict[str, Any]
    sample_rate: float | None
    snr_chosen: bool = False


@dataclass(frozen=True)
class LinkPlan:
    """What a link is to be, whatever the radio.

    Attributes:
        numerology: of the waveform.
        recording: folder in which samples are recorded, None for none.
        clipping_db: limit of the transmitter's magnitude, None for none.
        precoder, combiner: at transmitter and receiver, None for none.
        reports: the receiver's on the channel, which the combiner looks up; None for none.
        known: what the transmitter knows of the channel, which the link has it learn.
        snr_db: that a device with a calibration profile is to reach; None for whatever comes.
        profile: of the device, None to look in ``profiles``.
        profiles: folder of them, None for the user's own.
    """

    numerology: Numerology
    recording: Path | None = None
    clipping_db: float | None = None
    precoder: Precoder | None = None
    combiner: Combiner | None = None
    reports: CsiReports | None = None
    known: ChannelKnowledge | None = None
    snr_db: float | None = None
    profile: Path | None = None
    profiles: Path | None = None


Opener: TypeAlias = Callable[[BaseModel, LinkPlan], OpenRadio]
"""Makes a link from a radio's options and a plan; raises ``RadioUnavailable`` or
``UsageError``."""


@dataclass(frozen=True)
class RadioChoice:
    """A radio by name.

    Attributes:
        name: as in ``--radio``.
        options: model of its options.
        open: makes the link.
        carries_bounds: it has no waveform, so that schemes that are bounds run on it.
        simulated: its link is a :class:`semcom_phy.link.SimulatedLink`: the SNR can be set.
    """

    name: str
    options: type[BaseModel]
    open: Opener
    carries_bounds: bool = False
    simulated: bool = False


def choose_radio(name: str) -> RadioChoice:
    """Find a radio.

    Raises:
        UsageError: no radio of that name.
        RadioUnavailable: it needs GNU Radio, which cannot be imported.
    """
    if name == IDEAL:
        return RadioChoice(IDEAL, IdealOptions, _open_ideal, carries_bounds=True, simulated=True)
    try:
        from ota_runner import flowgraph
    except ImportError as error:
        raise RadioUnavailable(
            f"--radio {name} needs GNU Radio, which cannot be imported ({error}): install the "
            "package gnuradio, or use --radio ideal"
        ) from error
    names = flowgraph.radio_names()
    if name not in names:
        known = sorted({IDEAL, *names})
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"no radio {name!r}: {hint}there are {', '.join(known)}")
    return RadioChoice(
        name,
        flowgraph.radio_options(name),
        flowgraph.opener(name),
        simulated=flowgraph.is_simulated(name),
    )


def _open_ideal(options: BaseModel, plan: LinkPlan) -> OpenRadio:
    assert isinstance(options, IdealOptions)
    if plan.recording is not None:
        raise UsageError("--record-iq: --radio ideal has no samples; use --radio loopback")
    if plan.profile is not None:
        raise UsageError("--profile: --radio ideal is no device that has a profile")
    if plan.clipping_db is not None:
        raise UsageError("--clipping: --radio ideal has no samples; use --radio loopback")
    try:
        link = IdealLink(
            options.snr_db,
            plan.numerology,
            seed=options.seed,
            erase_probability=options.erase_fragments,
            multipath=options.multipath(),
            precoder=plan.precoder,
            combiner=plan.combiner,
            continues=options.channel_continues,
            reports=plan.reports,
            known=plan.known,
        )
    except ValueError as error:
        raise UsageError(f"radio 'ideal': {error}") from error
    return OpenRadio(link, options.model_dump(mode="json"), None)
