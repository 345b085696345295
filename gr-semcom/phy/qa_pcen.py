# SPDX-License-Identifier: GPL-3.0-or-later
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from semcom_phy.pcen import enhance, lmmse, moments, nearest_level, power_scale
from semcom_phy.qam import constellation

Complex = NDArray[np.complex128]


def _gaussian(shape: tuple[int, ...], seed: int) -> Complex:
    parts = np.random.default_rng(seed).standard_normal((2, *shape)) * np.sqrt(0.5)
    return np.asarray(parts[0] + 1j * parts[1])


def test_no_combiner_has_less_error_than_lmmse() -> None:
    """Over samples, eq. (12) as corrected solves the least squares that it comes from."""
    channel, precoder = _gaussian((2, 2), 1), _gaussian((2, 2), 2)
    x_e, noise = _gaussian((4000, 2), 3), 0.4 * _gaussian((4000, 2), 4)
    x_p = x_e @ precoder.T
    z = x_p + 0.2 * np.abs(x_p) * x_p
    received = z @ channel.T + noise

    def mean(a: Complex, b: Complex) -> Complex:
        return np.asarray(a.T @ b.conj() / len(a))

    combiner = lmmse(channel, mean(x_p, z), mean(z, z), 0.16 * np.eye(2))
    solved = np.linalg.lstsq(received, x_p, rcond=None)[0].T
    np.testing.assert_allclose(combiner, solved, atol=0.06)
    assert np.abs(combiner).max() > 0.3


@pytest.mark.parametrize("bits", [2, 4, 6, 8])
def test_levels_are_those_of_the_nearest_point(bits: int) -> None:
    points = constellation(bits).astype(np.complex128)
    levels = np.unique(points.real)
    values = 1.5 * _gaussian((500,), 5)
    project = partial(nearest_level, per_quadrature=len(levels), spacing=levels[1] - levels[0])
    decided = project(values.real) + 1j * project(values.imag)
    nearest = points[np.argmin(np.abs(values[:, None] - points), axis=1)]
    np.testing.assert_allclose(decided, nearest, atol=1e-6)


def test_layers_are_those_of_the_paper() -> None:
    """Eq. (17) for one vector, written out."""
    equalised, x_p = _gaussian((2, 2), 6), _gaussian((2,), 7)
    gamma, alpha = (0.7, 1.3, 0.9), (0.1, 0.6, 1.2)

    def project(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.sign(values) / np.sqrt(2)

    w = np.diag(1 / np.diag(equalised.conj().T @ equalised)) @ equalised.conj().T
    z_d = np.zeros(2, complex)
    for step, memory in zip(gamma, alpha, strict=True):
        r = z_d + step * w @ (x_p - equalised @ z_d)
        z = project(r.real) + 1j * project(r.imag)
        z_d = memory * z_d + (1 - memory) * z
    found = enhance(x_p[None, None], equalised[None], gamma, alpha, project)
    np.testing.assert_allclose(found[0, 0], z_d, rtol=1e-4)


def test_without_projection_it_solves_for_what_arrives_as_the_standard_precoder_s_output() -> None:
    equalised = np.eye(2) + 0.3 * _gaussian((5, 2, 2), 8)
    x_p = _gaussian((5, 9, 2), 9)
    found = enhance(x_p, equalised, [0.5] * 80, [0.0] * 80, lambda values: values)
    np.testing.assert_allclose(found @ equalised.swapaxes(1, 2), x_p, atol=1e-3)


def test_power_is_what_is_allowed() -> None:
    z = _gaussian((3, 16, 2), 10) * np.array([0.1, 1, 30])[:, None, None]
    scaled = z * power_scale(z, 2.0)
    np.testing.assert_allclose(np.mean(np.sum(np.abs(scaled) ** 2, -1), -1), 2.0, rtol=1e-6)
    assert np.isfinite(power_scale(np.zeros((1, 4, 2), complex), 2.0)).all()


def test_moments_split_what_is_sent() -> None:
    points = constellation(2).astype(np.complex128)
    x_e = np.stack(np.meshgrid(points, points), -1).reshape(-1, 2)
    matrix = _gaussian((3, 2, 2), 11)
    linear, rest = moments(x_e @ matrix.swapaxes(1, 2), x_e)
    np.testing.assert_allclose(linear, matrix, atol=1e-6)
    np.testing.assert_allclose(rest, 0, atol=1e-6)
    bent = np.abs(x_e.sum(-1, keepdims=True)) * x_e
    linear, rest = moments(bent[None], x_e)
    left = bent - x_e @ linear[0].T
    np.testing.assert_allclose(left.T @ x_e.conj() / 16, 0, atol=1e-6)
    np.testing.assert_allclose(left.T @ left.conj() / 16, rest[0], atol=1e-6)
    assert np.trace(rest[0]).real > 0.1
