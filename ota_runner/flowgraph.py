# SPDX-License-Identifier: GPL-3.0-or-later
"""Radios in a GNU Radio flowgraph; importing this imports GNU Radio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from gnuradio.semcom import radios
from gnuradio.semcom.link import FlowgraphLink
from gnuradio.semcom.receive_link import ReceiveLink
from gnuradio.semcom.transmit_link import TransmitLink
from pydantic import BaseModel

from ota_runner.console import say
from ota_runner.device_profile import ProfileUse, apply_profile
from ota_runner.errors import RadioUnavailable, UsageError
from ota_runner.radios import LinkPlan, Opener, OpenRadio
from semcom_phy.csi_feedback import Feedback


def radio_names() -> list[str]:
    """Radios that a flowgraph can have."""
    return radios.names()


def radio_options(name: str) -> type[BaseModel]:
    """Model of a radio's options."""
    return radios.radio_class(name).Config


def is_simulated(name: str) -> bool:
    """Whether the SNR of a radio's channel can be set between pictures."""
    return radios.radio_class(name).set_snr_db is not radios.Radio.set_snr_db


def opener(name: str) -> Opener:
    """What opens a radio, see :class:`ota_runner.radios.RadioChoice`."""

    def open_(options: BaseModel, plan: LinkPlan) -> OpenRadio:
        with _told_to_the_user(name, plan):
            radio, use = _open(name, options, plan)
            link = FlowgraphLink(
                radio,
                plan.numerology,
                plan.precoder,
                plan.combiner,
                plan.reports,
                plan.known,
                plan.recording,
                plan.clipping_db,
                spectra=True,
            )
        if use is None and getattr(options, "gain_tx_db", 0) is None:
            say(
                f"--radio {name}: no calibration profile: --snr chooses no gains; give --gain-tx "
                "and --gain-rx, or calibrate it with `ota_runner calibrate`"
            )
        snr_chosen = use is not None and use.gain_tx_db is not None
        return OpenRadio(link, _description(radio, use), plan.numerology.sample_rate, snr_chosen)

    return open_


@dataclass(frozen=True)
class OpenTransmitter:
    """The transmitting half of a link that is up, and what to write down of it.

    Attributes:
        link: leaving its context closes it.
        description: of the radio, plain data.
    """

    link: TransmitLink
    description: dict[str, Any]


def open_transmitter(name: str, options: BaseModel, plan: LinkPlan) -> OpenTransmitter:
    """The transmitting half of a link.

    Raises:
        UsageError: options that the radio does not accept.
        RadioUnavailable: it is not there.
    """
    # A profile's SNRs are of a device that hears itself, over its own cable.
    plan = replace(plan, snr_db=None)
    with _told_to_the_user(name, plan):
        radio, use = _open_half(name, options, plan)
        link = TransmitLink(
            radio, plan.numerology, plan.precoder, plan.known, plan.clipping_db, spectra=True
        )
    return OpenTransmitter(link, _description(radio, use))


def open_receiver(
    name: str, options: BaseModel, plan: LinkPlan, tell: Callable[[Feedback], None]
) -> tuple[ReceiveLink, dict[str, Any]]:
    """The receiving half of a link, and a description of its radio.

    Args:
        name: of the radio.
        options: its own.
        plan: of the link.
        tell: called with each report for the transmitter.

    Raises:
        UsageError: options that the radio does not accept.
        RadioUnavailable: it is not there.
    """
    with _told_to_the_user(name, plan):
        radio, use = _open_half(name, options, plan)
        link = ReceiveLink(radio, plan.numerology, plan.combiner, plan.reports, tell, spectra=True)
    return link, _description(radio, use)


def _open_half(
    name: str, options: BaseModel, plan: LinkPlan
) -> tuple[radios.Radio, ProfileUse | None]:
    if not radios.radio_class(name).has_halves:
        raise UsageError(
            f"--radio {name} is transmitter and receiver in one program: use --radio zmq between "
            "two programs, or a device"
        )
    return _open(name, options, plan)


def _open(name: str, options: BaseModel, plan: LinkPlan) -> tuple[radios.Radio, ProfileUse | None]:
    options, corrections, use = apply_profile(
        name, options, plan.snr_db, plan.numerology, plan.profile, plan.profiles
    )
    radio = radios.open_radio(name, plan.numerology, corrections, **options.model_dump())
    for caution in radio.cautions:
        say(f"--radio {name}: {caution}")
    return radio, use


def _description(radio: radios.Radio, use: ProfileUse | None) -> dict[str, Any]:
    """Options, what the device said and its profile; not what happens later."""
    told = radio.describe()
    said = {key: value for key, value in told.items() if key not in ("name", "events")}
    return said if use is None else {**said, "profile": use.as_mapping()}


@contextmanager
def _told_to_the_user(name: str, plan: LinkPlan) -> Iterator[None]:
    """A radio's refusals as errors of the program."""
    try:
        yield
    except radios.RadioConfigError as error:
        raise UsageError(str(error)) from error
    except (radios.RadioOpenError, radios.RadioLostError) as error:
        raise RadioUnavailable(f"--radio {name}: {error}") from error
    except OSError as error:
        if plan.recording is None:
            raise RadioUnavailable(f"--radio {name}: {error}") from error
        raise UsageError(
            f"--record-iq: cannot write to {plan.recording}: {error.strerror or error}"
        ) from error
