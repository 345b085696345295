# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a receiver's DC offset and image out of its samples."""

from __future__ import annotations

import numpy as np
from gnuradio import gr
from gnuradio.semcom.guard import Arrays, GuardedBlock
from gnuradio.semcom.radios.corrections import Corrections

from semcom_phy.exchange import ComplexArray


def correct_front_end(samples: ComplexArray, dc: complex, image: complex) -> ComplexArray:
    """``v = x - dc``, then ``v - c v*``.

    With ``x = K1 s + K2 s* + dc`` and ``c = K2 / K1*`` what is left is ``s`` times a number:
    M. Valkama, M. Renfors, V. Koivunen, "Advanced methods for I/Q imbalance compensation in
    communication receivers", IEEE Trans. Signal Processing 49(10), 2001.

    Args:
        samples: of one antenna.
        dc: its offset.
        image: its ``c``.
    """
    centred = samples - np.complex64(dc)
    return np.asarray(centred - np.complex64(image) * centred.conj(), np.complex64)


class FrontEndCorrection(GuardedBlock):
    """:func:`correct_front_end` of each receive antenna.

    Streams: one input and one output of complex samples a receive antenna. Tags pass.

    Args:
        corrections: of the device.
        antennas: that it receives with.

    Raises:
        ValueError: corrections of another number of antennas.
    """

    def __init__(self, corrections: Corrections, antennas: int) -> None:
        super().__init__("semcom_front_end_correction", antennas, antennas)
        self._dc = _of_antennas("DC offsets", corrections.dc, antennas)
        self._image = _of_antennas("images", corrections.image, antennas)
        self.set_tag_propagation_policy(gr.TPP_ONE_TO_ONE)

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        count = min(len(samples) for samples in (*inputs, *outputs))
        for port, (samples, output) in enumerate(zip(inputs, outputs, strict=True)):
            output[:count] = correct_front_end(samples[:count], self._dc[port], self._image[port])
            self.consume(port, count)
        return count


def _of_antennas(what: str, values: tuple[complex, ...], antennas: int) -> tuple[complex, ...]:
    """A value an antenna; zeros where there are none."""
    if len(values) not in (0, antennas):
        raise ValueError(f"corrections have {what} of {len(values)} antennas, not of {antennas}")
    return values or (0j,) * antennas
