# SPDX-License-Identifier: GPL-3.0-or-later
"""The linear precoder of least mean squared error: what a learned one has to be measured by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray
from semcom_phy.pcen_link import PcenScheme
from semcom_phy.precoding import SvdScheme
from semcom_phy.precoding_codebook import choose_rotation
from semcom_phy.qam import BITS_PER_SYMBOL


def least_error_powers(gains: NDArray[np.float64], budget: float) -> NDArray[np.float64]:
    """Powers of parallel channels that minimise ``sum 1 / (1 + gains * powers)``.

    ``p_i = max(mu / sqrt(gains_i) - 1 / gains_i, 0)``: Palomar, Cioffi, Lagunas, "Joint Tx-Rx
    beamforming design for multicarrier MIMO channels", IEEE Trans. Signal Processing 51(9), 2003,
    section IV. Unlike water-filling it gives the weaker of two channels in use more.

    Args:
        gains: ``[n, channels]``, positive, falling along the last axis.
        budget: sum of the powers.

    Returns:
        ``[n, channels]``.
    """
    weight, cost = gains**-0.5, 1 / gains
    level = (budget + np.cumsum(cost, -1)) / np.cumsum(weight, -1)
    # Channels in use: as many of the strongest as are left with power at their common level.
    in_use = np.sum(level * weight > cost, axis=-1, keepdims=True)
    chosen = np.take_along_axis(level, np.maximum(in_use - 1, 0), axis=-1)
    return np.maximum(chosen * weight - cost, 0.0)


@dataclass(frozen=True)
class LeastErrorScheme(PcenScheme):
    """``V1 Lambda Vg^H`` with powers of least error in the place of water-filling; no PEN."""

    def matrices(self, csi: ComplexArray | None, subcarriers: int) -> NDArray[np.complex128]:
        directions = SvdScheme(self.streams, self.tx_antennas).matrices(csi, subcarriers)
        if csi is None:
            return directions.astype(np.complex128)
        strength = np.sum(np.abs(csi @ directions) ** 2, axis=1).astype(np.float64)
        gains = np.maximum(strength, 1e-12) * 10 ** (self.snr_db / 10)
        powers = least_error_powers(gains, float(self.streams))
        rotation = choose_rotation(gains * powers, BITS_PER_SYMBOL[self.modulation])
        shared = directions * np.sqrt(powers)[:, None, :]
        return np.asarray(shared @ rotation.conj().transpose(0, 2, 1))
