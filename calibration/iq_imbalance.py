# SPDX-License-Identifier: GPL-3.0-or-later
"""Gain and phase by which the receiver's branches differ, and the image that they make.

The receiver makes ``y = K1 x + K2 x*`` of ``x``: M. Valkama, M. Renfors, V. Koivunen, "Advanced
methods for I/Q imbalance compensation in communication receivers", IEEE Trans. Signal Processing
49(10), 2001. A tone at ``f`` appears as ``K1 a`` at ``f`` and as ``K2 a*`` at ``-f``: the second
over the first's conjugate is ``c = K2 / K1*``, and ``y - c y*`` is a number times ``x``. With the
quadrature branch ``b = g exp(j phi)`` times the in-phase branch, ``c = (1 - b) / (1 + b)``.

The transmitter is tuned beside the receiver: its own image and carrier leak lie elsewhere then.
"""

from __future__ import annotations

import cmath
import math

import numpy as np
from gnuradio.semcom.radios.bench import Bench
from numpy.typing import NDArray

from semcom_calibration.errors import CalibrationError
from semcom_calibration.result import Result
from semcom_calibration.tone import FREQUENCY, hear_tone

_BESIDE = 1 / 32
"""Cycles a sample by which the transmitter is tuned beside the receiver."""

_REPEATS = 2

_CLEAR_DB = 50.0
"""Of the tone over the noise in its bin, at which an image 40 dB below it is told."""


class IqImbalance(Result):
    """Of each receive antenna.

    Attributes:
        gain_db: of the quadrature branch over the in-phase branch.
        phase_deg: by which the branches are off a right angle.
        image_db: power of the image over the signal's.
        correction_real, correction_imag: of ``c`` in ``y - c y*``, which removes the image.
        deviation: of the values of ``c`` at the tones, which a flat front end has alike.
    """

    gain_db: tuple[float, ...]
    phase_deg: tuple[float, ...]
    image_db: tuple[float, ...]
    correction_real: tuple[float, ...]
    correction_imag: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def correction(self) -> tuple[complex, ...]:
        """``c`` of each antenna."""
        return tuple(map(complex, self.correction_real, self.correction_imag))


def measure_iq_imbalance(bench: Bench) -> IqImbalance:
    """Image of tones on either side of the carrier.

    Each transmit antenna sends them in turn; a receive antenna is told by the one that it hears
    best.

    Wiring: every receive antenna joined to a transmit antenna by a cable with attenuators (and a
    splitter, where they share it).

    Args:
        bench: with its gains set, so that the tone is far below full scale and far above the
            noise.

    Raises:
        CalibrationError: an antenna hears no tone.
    """
    carrier = bench.freq_hz
    bench.set_freq_hz(carrier + _BESIDE * bench.rate_hz, carrier)
    try:
        found = [_image(bench, side * FREQUENCY) for side in (1, -1) for _ in range(_REPEATS)]
    finally:
        bench.set_freq_hz(carrier, carrier)
    return _imbalance(np.array(found))


def _image(bench: Bench, frequency: float) -> NDArray[np.complex128]:
    """``c`` of each antenna, from a tone."""
    heard = [hear_tone(bench, frequency, antenna) for antenna in range(bench.tx_antennas)]
    tones = [tone for tone in heard if tone is not None]
    found = np.empty(bench.rx_antennas, np.complex128)
    for antenna in range(bench.rx_antennas):
        best = max(tones, key=lambda tone: tone.clear_db(antenna), default=None)
        if best is None or best.clear_db(antenna) < _CLEAR_DB:
            raise CalibrationError(
                f"no signal: receive antenna {antenna + 1} does not hear the tone that tells its "
                "image: join it to a transmit antenna"
            )
        found[antenna] = best.image[antenna] / best.amplitude[antenna].conj()
    return found


def _imbalance(found: NDArray[np.complex128]) -> IqImbalance:
    """From ``c`` of each measurement and antenna."""
    mean = found.mean(axis=0)
    branches = (1 - mean) / (1 + mean)
    return IqImbalance(
        gain_db=tuple(round(20 * math.log10(abs(b)), 4) for b in branches),
        phase_deg=tuple(round(math.degrees(cmath.phase(b)), 4) for b in branches),
        image_db=tuple(round(20 * math.log10(max(abs(c), 1e-6)), 2) for c in mean),
        correction_real=tuple(round(float(c.real), 7) for c in mean),
        correction_imag=tuple(round(float(c.imag), 7) for c in mean),
        deviation=tuple(round(float(value), 7) for value in found.std(axis=0)),
    )
