# SPDX-License-Identifier: GPL-3.0-or-later
"""Radios in a GNU Radio flowgraph; importing this imports GNU Radio."""

from __future__ import annotations

from gnuradio.semcom import radios
from gnuradio.semcom.link import FlowgraphLink
from pydantic import BaseModel

from ota_runner.console import say
from ota_runner.errors import RadioUnavailable, UsageError
from ota_runner.radios import LinkPlan, Opener, OpenRadio


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
        try:
            radio = radios.open_radio(name, plan.numerology, **options.model_dump())
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
        except radios.RadioConfigError as error:
            raise UsageError(str(error)) from error
        except OSError as error:
            if plan.recording is None:
                raise RadioUnavailable(f"--radio {name}: {error}") from error
            raise UsageError(
                f"--record-iq: cannot write to {plan.recording}: {error.strerror or error}"
            ) from error
        for caution in radio.cautions:
            say(f"--radio {name}: {caution}")
        return OpenRadio(link, options.model_dump(mode="json"), plan.numerology.sample_rate)

    return open_
