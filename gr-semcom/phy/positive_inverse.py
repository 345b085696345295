# SPDX-License-Identifier: GPL-3.0-or-later
"""Inverse of a positive definite matrix without a BLAS.

LAPACK's would be taken by the threads of a BLAS, which cost many times more than they save for
matrices as small as these where other threads run, as they do in a flowgraph.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def positive_inverse(matrix: NDArray[np.inexact[Any]]) -> NDArray[np.inexact[Any]]:
    """Inverse of a Hermitian positive definite matrix (Gauss-Jordan, no pivoting).

    Args:
        matrix: ``[n, n]``, real or complex, its eigenvalues of like size: they should not differ
            by more than the precision has digits for.
    """
    inverse = matrix.copy()
    size = inverse.shape[0]
    for k in range(size):
        pivot = 1 / inverse[k, k]
        for i in range(size):
            if i == k:
                continue
            factor = inverse[i, k] * pivot
            inverse[i, k] = 0
            for j in range(size):
                inverse[i, j] -= factor * inverse[k, j]
            inverse[i, k] = -factor
        inverse[k, k] = 1
        for j in range(size):
            inverse[k, j] *= pivot
    return inverse
