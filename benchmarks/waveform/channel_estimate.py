# SPDX-License-Identifier: GPL-3.0-or-later
"""Error of the channel estimate, beside its Cramer-Rao bound."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from benchmarks.bursts import gaussian, random_frame, stream, with_noise
from benchmarks.waveform.bounds import aligned_channel_error, echo_matrix, looks
from benchmarks.waveform.measurement import Effort, Goal, Measurement
from semcom_phy.numerology import NARROW, WIDE, Numerology
from semcom_phy.receiver import Receiver

SNRS_DB = (0, 5, 10, 15, 20, 25, 30)
FRAMES = 100
GAP = 600
FAR_DB = 6.0
"""An error so far above its bound is no matter of averaging: the frame was found too late."""


def echo_count(numerology: Numerology) -> int:
    """Echoes, one at each sample, over as much of the prefix as the waveform admits."""
    return 3 * numerology.cyclic_prefix // 4 + 1


def align(
    estimate: NDArray[np.complex128], channel: NDArray[np.complex128], carriers: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """Turn an estimate by the phase and the delay that fit it best to the channel.

    Args:
        estimate: ``[carriers]``, off by little more than phase and delay.
        channel: ``[carriers]``.
        carriers: their numbers.
    """
    # The delay roughly, from the products of neighbours; then both by least squares.
    product = estimate * channel.conj()
    next_to = np.diff(carriers) == 1
    turn = np.angle(np.sum((product[1:] * product[:-1].conj())[next_to]))
    turned = estimate * np.exp(-1j * turn * carriers)
    turned = turned * np.exp(-1j * np.angle(np.vdot(channel, turned)))
    for _ in range(4):
        basis = np.stack([1j * turned, 1j * carriers * turned], axis=1)
        error = turned - channel
        system = np.concatenate([basis.real, basis.imag])
        phase, delay = np.linalg.lstsq(system, np.append(error.real, error.imag), rcond=None)[0]
        turned = turned * np.exp(-1j * (phase + delay * carriers))
    return np.asarray(turned)


def _errors(
    numerology: Numerology, snr_db: float, count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Squared errors of aligned estimates in dB, frame by frame, and their bounds.

    Returns:
        ``[frames, 3]``: error, infinite where the frame was lost; bound for known delays; bound
        for echoes all over the prefix.
    """
    carriers = np.asarray(numerology.active_carriers, np.float64)
    paths = echo_count(numerology)
    matrix = echo_matrix(numerology, np.arange(float(paths)))
    anywhere = echo_matrix(numerology, np.arange(numerology.cyclic_prefix + 1.0))
    counts = looks(numerology, numerology.fragment_symbols)
    noise_var = 10 ** (-snr_db / 10)
    frame = random_frame(1, numerology.fragment_capacity, rng)
    samples = stream([frame], numerology, GAP)[0]
    rows = []
    for _ in range(count):
        gains = gaussian((paths,), rng) / np.sqrt(paths)
        heard = np.convolve(samples, gains).astype(np.complex64)[None]
        receiver = Receiver(numerology)
        received = receiver.push(with_noise(heard, snr_db, rng)) + receiver.flush()
        channel, error = matrix @ gains, math.inf
        if len(received) == 1 and received[0].csi is not None:
            estimate = align(received[0].csi[:, 0, 0].astype(np.complex128), channel, carriers)
            error = float(np.mean(np.abs(estimate - channel) ** 2))
        bounds = (
            aligned_channel_error(echoes, channel, counts, noise_var, carriers)
            for echoes in (matrix, anywhere)
        )
        rows.append([error, *bounds])
    return np.asarray(10 * np.log10(rows), np.float64)


def channel_estimate(effort: Effort) -> Measurement:
    """Squared error of ``csi`` per carrier, over random echoes of equal mean power."""
    rng = np.random.default_rng(1)
    count = effort.trials(FRAMES, least=5)
    curves: dict[str, list[float | None]] = {}
    goals = []
    for numerology in (NARROW, WIDE):
        found = [_errors(numerology, snr_db, count, rng) for snr_db in SNRS_DB]
        above = np.stack([rows[:, 0] - rows[:, 1] for rows in found])
        middles = np.array([np.median(rows, axis=0) for rows in found]).T.tolist()
        name, echoes = numerology.name, echo_count(numerology)
        curves[f"{name}: error"] = middles[0]
        curves[f"{name}: bound, {echoes} known delays"] = middles[1]
        curves[f"{name}: bound, anywhere in the prefix"] = middles[2]
        middle = float(np.median(above, axis=1).max())
        goals.append(Goal(f"{name}: above the bound, median, at the worst SNR", middle, 1.0, "dB"))
        far = float(np.mean(above > FAR_DB))
        goals.append(Goal(f"{name}: share of frames more than {FAR_DB:g} dB above", far, 0, ""))
    return Measurement(
        title="Channel estimate",
        method=(
            f"{count} full frames at each SNR, each through other random echoes of equal mean "
            "power, one at each sample over three quarters of the prefix; medians over the frames. "
            "One bound knows the echoes' delays; the other only that they lie in the "
            "prefix. A common phase and delay, which are tracked apart from the channel, do "
            "not count."
        ),
        x_label="SNR (dB)",
        y_label="squared error per carrier (dB)",
        x=[*map(float, SNRS_DB)],
        curves=curves,
        bounds={label for label in curves if "bound" in label},
        goals=goals,
    )
