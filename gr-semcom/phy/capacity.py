# SPDX-License-Identifier: GPL-3.0-or-later
"""Bits under an ideal code: what no scheme that sends bits can surpass on a channel.

The bound crosses a symbol-level link as symbols that stand for the codeword, so that it meets the
same noise and the same lost frames as a transmission would. No waveform carries it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from semcom_phy.exchange import (
    AnalogSection,
    CapacitySection,
    DigitalSection,
    FloatArray,
    ReceivedAnalog,
    ReceivedDigital,
    Reception,
    Transmission,
)


def capacity_bits(noise_var: FloatArray) -> float:
    """What symbols of unit power can carry over Gaussian noise.

    Shannon, "A mathematical theory of communication" (1948), section 25: ``sum log2(1 + 1/N)``.

    Args:
        noise_var: complex noise variance of each symbol, infinite where it was lost.

    Returns:
        Bits, over all symbols; infinite where there is no noise.
    """
    with np.errstate(divide="ignore"):
        snr = 1.0 / np.asarray(noise_var, dtype=np.float64)
    return float(np.log1p(snr).sum() / np.log(2.0))


def waveform_sections(transmission: Transmission) -> tuple[AnalogSection | DigitalSection, ...]:
    """The sections of a transmission, all of which a waveform can carry.

    Raises:
        ValueError: one of them is a bound.
    """
    sections = []
    for section in transmission.sections:
        if isinstance(section, CapacitySection):
            raise ValueError("a section under an ideal code is a bound: use --radio ideal")
        sections.append(section)
    return tuple(sections)


def with_stand_ins(transmission: Transmission) -> Transmission:
    """The transmission with symbols of unit power for every ideal codeword."""
    sections = tuple(
        AnalogSection(np.ones((1, section.channel_uses), np.complex64))
        if isinstance(section, CapacitySection)
        else section
        for section in transmission.sections
    )
    return replace(transmission, sections=sections)


def with_bounds(reception: Reception, transmission: Transmission) -> Reception:
    """The reception with bits for the symbols that stood for ideal codewords.

    Args:
        reception: of :func:`with_stand_ins`.
        transmission: as the codec made it.

    Returns:
        The reception; of an ideal codeword all bits arrived, or none.
    """
    sections = tuple(
        _decided(sent, received)
        if isinstance(sent, CapacitySection) and isinstance(received, ReceivedAnalog)
        else received
        for sent, received in zip(transmission.sections, reception.sections, strict=True)
    )
    return replace(reception, sections=sections)


def _decided(sent: CapacitySection, received: ReceivedAnalog) -> ReceivedDigital:
    if sent.bits.size <= capacity_bits(received.noise_var):
        return ReceivedDigital(sent.bits.copy(), ok=True, valid_bits=sent.bits.size)
    return ReceivedDigital(np.zeros_like(sent.bits), ok=False, valid_bits=0)
