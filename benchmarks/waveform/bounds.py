# SPDX-License-Identifier: GPL-3.0-or-later
"""Cramer-Rao bounds for channel and SNR from the known cells of a frame.

Carrier ``k`` is heard ``w_k`` times with known symbols of unit power, ``y = h_k + n``,
``n ~ CN(0, N0)``, and the channel has ``L`` echoes at known delays: ``h = F theta`` with
``F = exp(-2j pi k d_l / N)``. The ``L`` gains and ``N0`` are unknown. For circular Gaussian noise
(Kay, "Fundamentals of Statistical Signal Processing: Estimation Theory", 1993, chapter 15) the
information matrix falls into two blocks:

* gains: ``cov(theta) >= N0 C``, ``C = (F^H W F)^-1``, ``W = diag(w)``;
* noise: ``var(N0) >= N0^2 / M``, ``M = sum w``.

A function of them has the variance of its gradient (Kay, section 3.8). The SNR is
``rho = P / N0``, ``P = theta^H F^H F theta / K`` over the ``K`` active carriers, so with
``g = F^H F theta / K``

    ``var(rho) / rho^2 >= 2 N0 g^H C g / P^2 + 1 / M``.

With all ``w`` alike that is ``(2 / rho + 1) / M``, the bound of Pauluzzi and Beaulieu, "A
comparison of SNR estimation techniques for the AWGN channel", IEEE Trans. Commun. 48(10), 2000.
Phase and clock are orthogonal to it: unknown, they change nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from semcom_phy.numerology import Numerology


def looks(numerology: Numerology, payload_symbols: int) -> NDArray[np.float64]:
    """How often each active carrier is known in a frame, ``[active carriers]``."""
    opening = numerology.training_symbols + numerology.header_ofdm_symbols
    counts = np.full(len(numerology.active_carriers), float(opening))
    counts[numerology.pilot_rows] += payload_symbols
    return counts


def echo_matrix(numerology: Numerology, delays: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Responses ``F[active carriers, L]`` of echoes with delays ``[L]`` in samples."""
    turns = np.outer(numerology.active_carriers, delays) / numerology.fft_size
    return np.asarray(np.exp(-2j * np.pi * turns))


def _error_covariance(
    echoes: NDArray[np.complex128], counts: NDArray[np.float64], noise_var: float
) -> NDArray[np.complex128]:
    information = echoes.conj().T @ (counts[:, None] * echoes)
    return np.asarray(noise_var * echoes @ np.linalg.solve(information, echoes.conj().T))


def channel_error(
    echoes: NDArray[np.complex128], counts: NDArray[np.float64], noise_var: float
) -> float:
    """Bound of the mean squared error of a carrier's channel, ``N0 tr(F C F^H) / K``.

    Args:
        echoes: ``F``.
        counts: ``w``.
        noise_var: ``N0``.
    """
    return float(np.trace(_error_covariance(echoes, counts, noise_var)).real / len(counts))


def aligned_channel_error(
    echoes: NDArray[np.complex128],
    channel: NDArray[np.complex128],
    counts: NDArray[np.float64],
    noise_var: float,
    carriers: NDArray[np.float64],
) -> float:
    """Bound of that error where a common phase and a common delay do not count as errors.

    A receiver tracks these two through the frame apart from the channel. In the space of real
    parameters the errors ``j h`` and ``j k h`` are taken out.

    Args:
        echoes: ``F``.
        channel: ``h``, ``[active carriers]``.
        counts: ``w``.
        noise_var: ``N0``.
        carriers: ``k``.
    """
    covariance = _error_covariance(echoes, counts, noise_var)
    left = np.trace(covariance).real
    phase = 1j * channel / np.linalg.norm(channel)
    delay = 1j * carriers * channel
    delay = delay - phase * np.vdot(phase, delay).real
    for direction in (phase, delay / np.linalg.norm(delay)):
        # Of a circular error half lies in a real direction.
        left -= np.vdot(direction, covariance @ direction).real / 2
    return float(left / len(counts))


def snr_spread_db(
    echoes: NDArray[np.complex128],
    gains: NDArray[np.complex128],
    counts: NDArray[np.float64],
    noise_var: float,
) -> float:
    """Bound of the standard deviation of an SNR estimate in dB.

    Args:
        echoes: ``F``.
        gains: ``theta``.
        counts: ``w``.
        noise_var: ``N0``.
    """
    response = echoes @ gains
    power = np.mean(np.abs(response) ** 2)
    gradient = echoes.conj().T @ response / len(counts)
    information = echoes.conj().T @ (counts[:, None] * echoes)
    of_power = 2 * noise_var * np.vdot(gradient, np.linalg.solve(information, gradient)).real
    relative = of_power / power**2 + 1 / counts.sum()
    return float(10 / np.log(10) * np.sqrt(relative))
