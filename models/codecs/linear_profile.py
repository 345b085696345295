# SPDX-License-Identifier: GPL-3.0-or-later
"""The variance profile of the ``linear`` code and its bits: all that its receiver must be told.

Transform coefficients of like frequency form a band and are described by one variance, as the
chunks of SoftCast are (Jakubczak and Katabi, "A Cross-Layer Design for Scalable Mobile Video",
MobiCom 2011, Sec. 4), in steps of 3 dB. Bands that are not worth sending are not described.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semcom_phy.exchange import BitArray

IntArray = NDArray[np.int64]

DETAILS = 3
"""Partitions into bands, from the coarsest to the finest; see :func:`band_map`."""

TOP_LEVEL = 33
"""Highest variance level."""

VARIANCE_OFFSET = 21
"""Level ``l`` stands for a variance of ``2**(l - 21)``, level 0 for none."""

MEAN_STEPS = 63
"""Mean colours are sent in this many steps, 6 bits each."""

SCALE_STEPS_PER_OCTAVE = 1024
"""Steps of the power scale in an octave of power."""

_SCALE_BITS = 13
_DESIGN_BITS = 4
_DESIGN_LOWEST = -3
_OCTAVES = np.array([0, 1, 2, 4, 8, 16, 32])
_HALF_OCTAVES = np.array([0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48])


class DamagedProfile(ValueError):
    """Bits that are not a profile."""


@dataclass(frozen=True, eq=False)
class Profile:
    """What the receiver is told.

    Attributes:
        detail: partition into bands, 0 to :data:`DETAILS` - 1.
        design: noise variance that the powers are designed for, ``2**(-design)``; -3 to 12.
        mean: ``[3]`` mean of red, green and blue in steps of 1/63.
        scale: log2 of the factor that brings the mean power to one, in steps of 1/1024.
        levels: ``[3, rows, columns]`` variance level of every band, 0 where it is not sent.
    """

    detail: int
    design: int
    mean: IntArray
    scale: int
    levels: IntArray


def band_map(height: int, width: int, detail: int) -> IntArray:
    """The band of every coefficient ``[height, width]`` of a tile, as an index into its profile.

    Detail 0 has L-shaped bands of an octave each, details 1 and 2 rectangles of an octave and of
    half an octave.
    """
    rows, columns = _axis(height, detail), _axis(width, detail)
    if detail == 0:
        return np.maximum(rows[:, None], columns)
    return rows[:, None] * (int(columns[-1]) + 1) + columns


def profile_shape(height: int, width: int, detail: int) -> tuple[int, int]:
    """Rows and columns of the bands of a tile."""
    rows, columns = (int(_axis(length, detail)[-1]) + 1 for length in (height, width))
    return (1, max(rows, columns)) if detail == 0 else (rows, columns)


def _axis(length: int, detail: int) -> IntArray:
    """The band of every coefficient along one axis."""
    edges = _HALF_OCTAVES if detail == 2 else _OCTAVES
    return np.searchsorted(edges, np.arange(length), side="right") - 1


def half_octave(steps: int) -> float:
    """``2**(steps / 2)``, the same on every machine."""
    return float(np.ldexp(np.sqrt(2.0) if steps % 2 else 1.0, steps // 2))


def level_variance(level: NDArray[np.int64]) -> NDArray[np.float64]:
    """Variance that a level stands for, 0 for level 0."""
    return np.where(level > 0, np.ldexp(1.0, level - VARIANCE_OFFSET), 0.0)


def variance_level(variance: NDArray[np.float64]) -> IntArray:
    """Nearest level in dB, 0 for variances below half the lowest."""
    with np.errstate(divide="ignore"):
        exact = np.log2(variance) + VARIANCE_OFFSET
    return np.clip(np.where(exact < 0.5, 0, np.rint(exact)), 0, TOP_LEVEL).astype(np.int64)


def design_of_snr(snr_db: float) -> int:
    """The design number nearest to an SNR in dB."""
    steps = round(snr_db / (10 * np.log10(2))) if np.isfinite(snr_db) else 0
    return int(np.clip(steps, _DESIGN_LOWEST, _DESIGN_LOWEST + 2**_DESIGN_BITS - 1))


def write_profile(profile: Profile) -> BitArray:
    """A profile as bits.

    After the fixed fields, the levels in raster order above the lowest one in use: of each row of
    bands the number that are described (as the change from the row before), then each level's
    difference from a prediction by its neighbours, in signed exponential Golomb codes.
    """
    bits: list[int] = []
    _write_fixed(bits, profile.detail, 2)
    _write_fixed(bits, profile.design - _DESIGN_LOWEST, _DESIGN_BITS)
    for value in profile.mean:
        _write_fixed(bits, int(value), 6)
    _write_fixed(bits, profile.scale + 2 ** (_SCALE_BITS - 1), _SCALE_BITS)
    described = profile.levels[profile.levels > 0]
    floor = int(described.min()) - 1 if described.size else 0
    _write_fixed(bits, floor, 6)
    above = np.maximum(profile.levels - floor, 0)
    for plane in above:
        previous = 0
        for row in range(plane.shape[0]):
            used = np.flatnonzero(plane[row])
            count = int(used[-1]) + 1 if used.size else 0
            _write_signed(bits, count - previous)
            previous = count
            for column in range(count):
                _write_signed(bits, int(plane[row, column]) - _predict(plane, row, column))
    return np.array(bits, np.uint8)


def read_profile(bits: BitArray, height: int, width: int) -> Profile:
    """The profile of a picture whose tiles are ``height`` by ``width``.

    Raises:
        DamagedProfile: bits that :func:`write_profile` did not write for such tiles.
    """
    source = _Source(bits)
    detail = source.fixed(2)
    if detail >= DETAILS:
        raise DamagedProfile(f"a profile of detail {detail}")
    design = source.fixed(_DESIGN_BITS) + _DESIGN_LOWEST
    mean = np.array([source.fixed(6) for _ in range(3)])
    scale = source.fixed(_SCALE_BITS) - 2 ** (_SCALE_BITS - 1)
    floor = source.fixed(6)
    above = np.zeros((3, *profile_shape(height, width, detail)), np.int64)
    for plane in above:
        count = 0
        for row in range(plane.shape[0]):
            count += source.signed()
            if not 0 <= count <= plane.shape[1]:
                raise DamagedProfile("more bands than a tile has")
            for column in range(count):
                plane[row, column] = source.signed() + _predict(plane, row, column)
    levels = np.where(above > 0, above + floor, 0)
    if above.min() < 0 or levels.max() > TOP_LEVEL:
        raise DamagedProfile("variance levels out of range")
    return Profile(detail, design, mean, scale, levels)


def _predict(plane: IntArray, row: int, column: int) -> int:
    """A level from those before it: variances fall with frequency, along rows and columns."""
    if row and column:
        left, above, corner = (
            plane[row, column - 1],
            plane[row - 1, column],
            plane[row - 1, column - 1],
        )
        return max(0, min(int(left + above - corner), int(min(left, above))))
    if column:
        return max(0, int(plane[row, column - 1]) - 1)
    return max(0, int(plane[row - 1, column]) - 1) if row else 12


def _write_fixed(bits: list[int], value: int, length: int) -> None:
    if not 0 <= value < 2**length:
        raise ValueError(f"{value} does not fit into {length} bits")
    bits.extend((value >> shift) & 1 for shift in range(length - 1, -1, -1))


def _write_signed(bits: list[int], value: int) -> None:
    """Signed exponential Golomb code: 0, 1, -1, 2, ... in 1, 3, 3, 5, ... bits."""
    code = (2 * value if value > 0 else 1 - 2 * value) if value else 1
    bits.extend([0] * (code.bit_length() - 1))
    _write_fixed(bits, code, code.bit_length())


class _Source:
    """Bits read from the front."""

    def __init__(self, bits: BitArray) -> None:
        self._bits = bits.tolist()
        self._at = 0

    def fixed(self, length: int) -> int:
        if self._at + length > len(self._bits):
            raise DamagedProfile("the bits end early")
        value = 0
        for bit in self._bits[self._at : self._at + length]:
            value = 2 * value + bit
        self._at += length
        return value

    def signed(self) -> int:
        zeros = 0
        while self.fixed(1) == 0:
            zeros += 1
            if zeros > 6:
                raise DamagedProfile("a number larger than any that is sent")
        code = (1 << zeros) | self.fixed(zeros)
        return code // 2 if code % 2 == 0 else -(code // 2)
