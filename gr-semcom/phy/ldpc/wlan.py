# SPDX-License-Identifier: GPL-3.0-or-later
"""The LDPC code of IEEE 802.11n with n = 1944 and rate 3/4."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from semcom_phy.ldpc.block_code import BlockCode
from semcom_phy.ldpc.quasi_cyclic import QuasiCyclicCode

_LIFTING_SIZE = 81


def mother_code() -> QuasiCyclicCode:
    """The code that is shortened."""
    path = Path(__file__).with_name("ieee80211_1944_3_4.csv")
    base_matrix = np.loadtxt(path, np.int64, delimiter=",")
    rows, columns = np.nonzero(base_matrix >= 0)
    return QuasiCyclicCode(
        rows=rows,
        columns=columns,
        shifts=base_matrix[rows, columns],
        lifting_size=_LIFTING_SIZE,
        core_rows=base_matrix.shape[0],
    )


class LDPC80211(BlockCode):
    """The code of IEEE Std 802.11-2020, Annex F, Table F-3 (c), with shortening.

    A shortened block is filled up with zeros that are not sent (clause 19.3.11.7.5).

    Attributes:
        k: information bits of a block.
        n: code bits of a block, ``k + 486``.

    Args:
        k: at least 1, at most 1458.

    Raises:
        ValueError: there is no such code.
    """

    def __init__(self, k: int = 1458) -> None:
        code = mother_code()
        if not 0 < k <= code.n_information:
            raise ValueError(f"this code has 1 to {code.n_information} information bits, not {k}")
        places = np.arange(code.n_columns * _LIFTING_SIZE)
        super().__init__(code, k, places[(places < k) | (places >= code.n_information)])


WLAN_1944_3_4 = LDPC80211()
"""All 1458 information bits."""
