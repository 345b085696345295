# SPDX-License-Identifier: GPL-3.0-or-later
"""The two-layer precoding codebook for two antenna ports, and the choice among its entries.

An SVD precoder whose streams are rotated before the power allocation, ``F = V1 Lambda Vg^H``,
spreads every stream over all eigenmodes. With linear detection that shares the error evenly among
streams, which pays as soon as the stronger mode carries more than its constellation can use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_W1 = [[1, 1], [1, -1]]
_W2 = [[1, 1], [1j, -1j]]

TWO_LAYERS: NDArray[np.complex128] = np.stack(
    [np.eye(2), np.array(_W1) / np.sqrt(2), np.array(_W2) / np.sqrt(2)]
)
"""TS 38.211 Table 6.3.1.5-4, TPMI 0 to 2, scaled to be unitary; TPMI 1 and 2 are also the
two-layer entries of the Type I codebook, TS 38.214 Table 5.2.2.2.1-1."""


def choose_rotation(
    snrs: NDArray[np.floating[Any]], bits_per_symbol: int
) -> NDArray[np.complex128]:
    """The ``Vg`` with which most information arrives.

    After unbiased MMSE detection stream ``i`` has the error
    ``e_i = [Vg diag(1 / (1 + snrs)) Vg^H]_ii``; it carries ``min(-log2 e_i, bits_per_symbol)``,
    since no constellation carries more than its bits. Of equals the first is taken.

    Args:
        snrs: ``[..., streams]`` of the eigenmodes, powers allocated.
        bits_per_symbol: of the constellation.

    Returns:
        ``[..., streams, streams]`` unitary; 1 for a single stream.

    Raises:
        ValueError: more than two streams.
    """
    streams = snrs.shape[-1]
    if streams > TWO_LAYERS.shape[-1]:
        raise ValueError(f"the codebook has entries for 1 and 2 streams, not for {streams}")
    entries = TWO_LAYERS if streams == 2 else np.ones((1, 1, 1), np.complex128)
    errors = [(1 / (1 + snrs)) @ (np.abs(entry) ** 2).T for entry in entries]
    information = [np.minimum(-np.log2(error), bits_per_symbol).sum(-1) for error in errors]
    return entries[np.argmax(np.stack(information), axis=0)]
