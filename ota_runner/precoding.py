# SPDX-License-Identifier: GPL-3.0-or-later
"""From a run's options to the precoder and combiner of its link."""

from __future__ import annotations

from dataclasses import dataclass

from ota_runner.config import RunConfig, Settings, resolve_numerology
from ota_runner.errors import UsageError
from semcom_models.codecs.separate_mcs import ADAPTIVE, HINDSIGHT, named_mcs
from semcom_phy.csi_feedback import CsiReports
from semcom_phy.digital import MCS
from semcom_phy.exchange import Combiner, Precoder
from semcom_phy.named_precoding import named_precoding
from semcom_phy.pcen_parameters import learned_parameters
from semcom_phy.qam import BITS_PER_SYMBOL


@dataclass(frozen=True)
class Precoding:
    """What both ends of a link do besides the waveform.

    Attributes:
        precoder: None for none.
        combiner: None for none.
        reports: on the channel, that the combiner looks up; None where nothing is fed back.
    """

    precoder: Precoder | None = None
    combiner: Combiner | None = None
    reports: CsiReports | None = None


def precoding(settings: Settings) -> Precoding:
    """The precoding of a run.

    Raises:
        UsageError: PCEN for symbols that it is not made for.
    """
    run = settings.run
    if run.precoder == "none":
        return Precoding()
    modulation = _modulation(settings) if run.precoder == "pcen" else "QPSK"
    pair = named_precoding(run.precoder, run.streams, run.stream_power, modulation)
    late = bool(run.feedback_delay)
    bits = run.csi_bits or None
    reports = CsiReports(resolve_numerology(run), bits, run.csi_error, run.seed, per_picture=late)
    return Precoding(*pair, reports)


def _modulation(settings: Settings) -> str:
    """The constellation of all symbols of a run, as PCEN has to know it."""
    run = settings.run
    _require_separate_carriers(run)
    mcs = getattr(settings.scheme, "mcs", None)
    if mcs is None:
        raise UsageError(
            f"--precoder pcen is made for one constellation, and {run.scheme} has none: use "
            "--precoder svd, or a scheme that sends bits, such as bpg+ldpc --mcs nr-qpsk-1/2"
        )
    if mcs in (ADAPTIVE, HINDSIGHT):
        raise UsageError(
            f"--precoder pcen is made for one constellation, and --mcs {mcs} has many: name one, "
            "such as --mcs nr-qpsk-1/2"
        )
    names = {bits: name for name, bits in BITS_PER_SYMBOL.items()}
    modulation = names[MCS[named_mcs(mcs)].bits_per_symbol]
    try:
        learned_parameters(modulation)
    except ValueError as error:
        raise UsageError(f"--precoder pcen: {error}; choose another --mcs") from error
    return modulation


def _require_separate_carriers(run: RunConfig) -> None:
    if run.numerology.spreading != "none":
        raise UsageError(
            "--precoder pcen is made for symbols on carriers of their own: use a numerology with "
            "spreading: none"
        )
