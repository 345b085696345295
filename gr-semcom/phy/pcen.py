# SPDX-License-Identifier: GPL-3.0-or-later
"""The mathematics of PCEN: a precoder enhanced for finite alphabets, and its LMMSE combiner.

"Standards-compatible semantic communication" (SCSC), section III-B. Received is ``y = H z + n``;
the standard precoder makes ``x_p = F x_e`` of the symbols ``x_e`` and PEN makes ``z`` of ``x_p``.

Everything takes NumPy arrays or PyTorch tensors (Python array API standard), so that training and
inference are one piece of code. ``...`` stands for any number of channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from array_api_compat import array_namespace

Array: TypeAlias = Any
"""A NumPy array or a PyTorch tensor."""

_FLOOR = 1e-6


def lmmse(channel: Array, cross: Array, covariance: Array, noise_cov: Array) -> Array:
    """The combiner ``U2`` that estimates ``x_p`` with least mean squared error.

    ``U2 = E[x_p z^H] H^H (H E[z z^H] H^H + R)^-1``: eq. (12), whose printed form has the factors
    in another order and a norm in the place of the matrix.

    Args:
        channel: ``H[..., rx, tx]``.
        cross: ``E[x_p z^H]``, ``[..., n, tx]``.
        covariance: ``E[z z^H]``, ``[..., tx, tx]``.
        noise_cov: ``R[..., rx, rx]``.

    Returns:
        ``[..., n, rx]``.
    """
    xp = array_namespace(channel)
    adjoint = _adjoint(channel)
    received = xp.matmul(xp.matmul(channel, covariance), adjoint) + noise_cov
    return xp.matmul(xp.matmul(cross, adjoint), xp.linalg.inv(received))


def nearest_level(values: Array, per_quadrature: int, spacing: float) -> Array:
    """Decide one quadrature for the nearest of evenly spaced levels around zero.

    Args:
        values: real.
        per_quadrature: how many levels, even.
        spacing: between neighbours.

    Returns:
        Levels, shaped as ``values``.
    """
    xp = array_namespace(values)
    top = (per_quadrature - 1) / 2
    return spacing * xp.clip(xp.floor(values / spacing) + 0.5, -top, top)


def enhance(
    x_p: Array,
    equalised: Array,
    gamma: Sequence[Any] | Array,
    alpha: Sequence[Any] | Array,
    project: Callable[[Array], Array],
) -> Array:
    """PEN before power normalisation: eq. (17), unfolded, from ``z_d = 0``.

    ``r = z_d + gamma W (x_p - U2 H z_d)``, ``z = Pi(r)``, ``z_d <- alpha z_d + (1 - alpha) z`` with
    ``W = diag((U2 H)^H U2 H)^-1 (U2 H)^H``.

    Args:
        x_p: ``[..., n, tx]``, the standard precoder's output, ``n`` symbol vectors a channel.
        equalised: ``U2 H``, ``[..., tx, tx]``.
        gamma: step of each layer.
        alpha: memory of each layer; outside 0 to 1 it extrapolates, which sets amplitudes that
            averages of constellation points do not reach.
        project: ``Pi`` on one quadrature, real to real.

    Returns:
        ``z_d[..., n, tx]``.
    """
    xp = array_namespace(x_p)
    power = xp.sum(xp.abs(equalised) ** 2, axis=-2)
    floor = _FLOOR * xp.sum(power, axis=-1, keepdims=True) + _FLOOR**2
    forward = xp.matrix_transpose(equalised)
    back = xp.conj(equalised) / (power + floor)[..., None, :]
    z_d = xp.zeros_like(x_p)
    for step, memory in zip(gamma, alpha, strict=True):
        r = z_d + step * xp.matmul(x_p - xp.matmul(z_d, forward), back)
        z = project(xp.real(r)) + 1j * project(xp.imag(r))
        z_d = memory * z_d + (1 - memory) * z
    return z_d


def power_scale(z_d: Array, power: float) -> Array:
    """The factor ``[..., 1, 1]`` that brings the mean power of symbol vectors to ``power``.

    The mean is over ``[..., n, tx]`` along ``n``: eq. (1) with all vectors of the alphabet in the
    place of a block, so that both ends know it without a word.
    """
    xp = array_namespace(z_d)
    mean = xp.mean(xp.sum(xp.abs(z_d) ** 2, axis=-1, keepdims=True), axis=-2, keepdims=True)
    return (power / (mean + _FLOOR**2)) ** 0.5


def moments(z: Array, x_e: Array) -> tuple[Array, Array]:
    """The linear part of ``z`` and what is left: ``z = B x_e + d`` with ``E[d x_e^H] = 0``.

    Args:
        z: ``[..., n, tx]``, sent for each of the ``n`` symbol vectors of the alphabet.
        x_e: ``[n, streams]``, those vectors, all equally likely, of unit covariance.

    Returns:
        ``B[..., tx, streams]`` and the covariance of ``d``, ``[..., tx, tx]``.
    """
    xp = array_namespace(z)
    linear = xp.matmul(xp.matrix_transpose(z), xp.conj(x_e)) / x_e.shape[0]
    covariance = xp.matmul(xp.matrix_transpose(z), xp.conj(z)) / x_e.shape[0]
    return linear, covariance - xp.matmul(linear, _adjoint(linear))


def _adjoint(matrix: Array) -> Array:
    xp = array_namespace(matrix)
    return xp.conj(xp.matrix_transpose(matrix))
