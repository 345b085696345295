# SPDX-License-Identifier: GPL-3.0-or-later
"""Precoders by name, as options and Companion's blocks give them."""

from __future__ import annotations

from semcom_phy.exchange import Combiner, Precoder
from semcom_phy.pcen_link import PcenCombiner, PcenPrecoder, PcenScheme
from semcom_phy.pcen_parameters import learned_parameters
from semcom_phy.power_allocation import PowerRule
from semcom_phy.precoding import SvdCombiner, SvdPrecoder, SvdScheme

PRECODERS = ("none", "svd", "pcen")


def named_precoding(
    name: str,
    streams: int = 2,
    powers: PowerRule = "least-error",
    modulation: str = "QPSK",
) -> tuple[Precoder | None, Combiner | None]:
    """Precoder and combiner for two transmit antennas and channels in units of the noise.

    Args:
        name: ``none``: stream ``i`` goes to antenna ``i``; ``svd``: streams go along the singular
            vectors of the channel that was fed back, a single one along the strongest; ``pcen``:
            its enhancement for finite alphabets.
        streams: spatial streams, 1 or 2.
        powers: how ``svd`` shares the power among them.
        modulation: of the symbols, for ``pcen``: ``QPSK`` or ``16QAM``.

    Returns:
        The pair; both are None for ``none``.

    Raises:
        ValueError: no such precoder, rule or modulation, or streams that it cannot send.
    """
    if name == "none":
        return None, None
    if name == "svd":
        svd = SvdScheme(streams, 2, powers)
        return SvdPrecoder(svd), SvdCombiner(svd)
    if name == "pcen":
        pcen = PcenScheme(modulation, 0.0, learned_parameters(modulation), streams)
        return PcenPrecoder(pcen), PcenCombiner(pcen)
    raise ValueError(f"no precoder {name!r}, choose one of: {', '.join(PRECODERS)}")
