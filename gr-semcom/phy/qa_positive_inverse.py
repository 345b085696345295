# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from semcom_phy.positive_inverse import positive_inverse


@pytest.mark.parametrize("size", [1, 4, 60])
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_times_the_matrix_it_is_the_identity(size: int, dtype: type) -> None:
    rng = np.random.default_rng(size)
    root = rng.standard_normal((size, size, 2)) @ np.array([1, 1j])
    matrix = root @ root.conj().T + np.eye(size)
    matrix = matrix.astype(dtype) if dtype is np.complex128 else matrix.real.copy()
    before = matrix.copy()
    np.testing.assert_allclose(positive_inverse(matrix) @ matrix, np.eye(size), atol=1e-9)
    np.testing.assert_array_equal(matrix, before)
