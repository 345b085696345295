# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``linear`` code: the honest floor that a learned code has to beat.

SoftCast for still pictures (S. Jakubczak, D. Katabi, "A Cross-Layer Design for Scalable Mobile
Video", MobiCom 2011): an orthonormal transform, powers allocated to frequency bands, the weakest
bands dropped to meet the bandwidth, LMMSE decoding. Where it departs from that paper it does so
to be stronger: powers are designed for the fed-back SNR by water-filling, which is optimal for a
linear code (K.-H. Lee, D. Petersen, "Optimal Linear Coding for Vector Channels", IEEE Trans.
Communications 24(12), 1976), in place of SoftCast's high-SNR limit ``g ~ variance**(-1/4)``; where
that leaves symbols free, the strongest coefficients are repeated. What the receiver must know
travels in a digital section and counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft
from torch import Tensor

from semcom_models.codecs.base import Codec, Request
from semcom_models.codecs.linear_profile import (
    DETAILS,
    MEAN_STEPS,
    SCALE_STEPS_PER_OCTAVE,
    TOP_LEVEL,
    VARIANCE_OFFSET,
    DamagedProfile,
    Profile,
    band_map,
    design_of_snr,
    half_octave,
    level_variance,
    profile_shape,
    read_profile,
    variance_level,
    write_profile,
)
from semcom_models.codecs.registry import PresetInfo, label_of
from semcom_phy.digital import symbol_count
from semcom_phy.exchange import (
    AnalogSection,
    BitArray,
    ChannelState,
    CodecLabel,
    DigitalSection,
    ReceivedAnalog,
    ReceivedDigital,
    Reception,
    Transmission,
)

FloatArray = NDArray[np.float32]
IndexArray = NDArray[np.int64]

FLOOR_STEPS = (0, 1, 2, 4, 6)
"""Bands weaker by so many steps of 3 dB than the weakest worth a power are tried without, which
saves side information."""

PEAK_POWER = 8.0
"""Largest power of a coefficient's slot, over the mean; what would be stronger is sent in copies.
Keeps peaks off the air, and what matters most outlives lost frames."""

LEAST_NOISE = 1e-9
"""Noise variance below which none is believed."""

TILE = 64
"""Largest side of the tiles that are transformed, in pixels."""

DEFAULT_SNR_DB = 10.0
"""What powers are designed for before any feedback."""

MCS_FROM_SNR_DB = {0: -np.inf, 1: 0.0, 2: 2.0}
"""Digital modes for the side information and the SNR from which each may be used: 1 dB above
where it fails in three of a hundred pictures."""

SIDE_INFORMATION_SHARE = 0.05
"""A less robust mode is considered only where side information would take more than this."""

COLOURS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
"""Orthonormal colour transform, rows luma and two colour differences: the DCT of (R, G, B)."""


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut: into nearly equal tiles, so that hardly any padding is needed.

    Attributes:
        height, width: of the picture.
        rows, columns: of tiles.
        tile_height, tile_width: of a tile.
    """

    height: int
    width: int
    rows: int
    columns: int
    tile_height: int
    tile_width: int

    @classmethod
    def of(cls, height: int, width: int) -> Tiling:
        """The tiling of a picture."""
        rows, columns = -(-height // TILE), -(-width // TILE)
        return cls(height, width, rows, columns, -(-height // rows), -(-width // columns))

    @property
    def tiles(self) -> int:
        """How many tiles."""
        return self.rows * self.columns

    def analyse(self, image: FloatArray) -> FloatArray:
        """Coefficients ``[3, tile_height, tile_width, tiles]`` of a picture ``[3, H, W]``."""
        below = self.rows * self.tile_height - self.height
        right = self.columns * self.tile_width - self.width
        padded = np.pad(image, ((0, 0), (0, below), (0, right)), mode="edge")
        planes = np.tensordot(COLOURS.astype(np.float32), padded, axes=1)
        shape = (3, self.rows, self.tile_height, self.columns, self.tile_width)
        spectrum = fft.dctn(planes.reshape(shape), axes=(2, 4), norm="ortho")
        tiles_last = spectrum.transpose(0, 2, 4, 1, 3)
        return np.ascontiguousarray(tiles_last).reshape(
            3, self.tile_height, self.tile_width, self.tiles
        )

    def synthesise(self, coefficients: FloatArray) -> FloatArray:
        """The picture ``[3, H, W]`` of coefficients."""
        shape = (3, self.tile_height, self.tile_width, self.rows, self.columns)
        spectrum = coefficients.reshape(shape).transpose(0, 3, 1, 4, 2)
        planes = fft.idctn(spectrum, axes=(2, 4), norm="ortho")
        padded = planes.reshape(3, self.rows * self.tile_height, self.columns * self.tile_width)
        cut = padded[:, : self.height, : self.width]
        return np.asarray(np.tensordot(COLOURS.T.astype(np.float32), cut, axes=1))


def water_fill(
    levels: IndexArray, counts: IndexArray, slots: int, design: int
) -> NDArray[np.float64]:
    """Power for coefficients of each level that minimises the mean squared error.

    For variances ``v`` and noise ``s`` the LMMSE error of a coefficient sent with power ``p`` is
    ``v s / (p + s)``; its sum under ``sum p = slots`` is least at ``p = max(0, t sqrt(v s) - s)``.
    Sender and receiver compute this from the same integers, in operations that IEEE 754 makes the
    same everywhere: both must agree on which powers are zero.

    Args:
        levels: variance levels above 0, falling.
        counts: coefficients of each level that may be sent.
        slots: real values that can be sent, mean power one.
        design: the noise of each is ``s = 2**(-design)``.

    Returns:
        Power of a coefficient of each level: positive for the first levels, then zero.
    """
    if len(levels) == 0:
        return np.zeros(0)
    noise = half_octave(-2 * design)
    roots = np.array([half_octave(int(level) - VARIANCE_OFFSET - design) for level in levels])
    water = (slots + np.cumsum(counts) * noise) / np.cumsum(counts * roots)
    active = int(np.count_nonzero(water * roots > noise))
    powers = np.zeros(len(levels))
    powers[:active] = water[active - 1] * roots[:active] - noise
    return powers


@dataclass(frozen=True, eq=False)
class Allocation:
    """What the coefficients of each level get; arrays ``[L]`` over levels of positive power.

    Attributes:
        levels: falling.
        counts: coefficients sent.
        powers: of each of them, over all its copies.
        copies: how many times each is sent.
    """

    levels: IndexArray
    counts: IndexArray
    powers: NDArray[np.float64]
    copies: IndexArray


def allocate(levels: IndexArray, sizes: IndexArray, slots: int, design: int) -> Allocation:
    """Powers for the strongest coefficients, and copies of those that would be peaks.

    A coefficient gets a copy for every :data:`PEAK_POWER` of its power; the weakest make room.

    Args:
        levels: variance level of every group of coefficients, 0 for groups that are not sent.
        sizes: coefficients of every group.
        slots: real values that can be sent, mean power one; at least 2.
        design: see :func:`water_fill`.
    """
    totals = np.bincount(levels.reshape(-1), sizes.reshape(-1), minlength=TOP_LEVEL + 1)
    totals[0] = 0
    used = np.flatnonzero(totals)[::-1]
    available = totals[used].astype(np.int64)
    room = slots
    while True:
        counts = np.clip(room - np.cumsum(available) + available, 0, available)
        fits = counts > 0
        powers = water_fill(used[fits], counts[fits], slots, design)
        active = int(np.count_nonzero(powers))
        counts, powers = counts[:active], powers[:active]
        copies = np.ceil(powers / PEAK_POWER).astype(np.int64)
        excess = int((counts * copies).sum()) - slots
        if excess <= 0:
            return Allocation(used[:active], counts, powers, copies)
        # ceil(p / P) <= p / P + 1, so so few coefficients fit whatever their powers.
        room = max(int(counts.sum()) - excess, int(slots * (1 - 1 / PEAK_POWER)))


@dataclass(frozen=True, eq=False)
class Plan:
    """Which coefficient goes into which slot (real value sent), and how strong.

    Attributes:
        coefficients: ``[A]`` flat indices of the coefficients sent, strongest first.
        variances: ``[A]`` as the profile describes them.
        slots: ``[2 K]`` index into ``coefficients``; each is sent at least once, the strongest
            again, far behind, so that a burst of losses does not take all copies.
        gains: ``[2 K]`` factor from coefficient to slot, power scale included.
    """

    coefficients: IndexArray
    variances: NDArray[np.float64]
    slots: IndexArray
    gains: NDArray[np.float64]


def make_plan(profile: Profile, tiling: Tiling, slots: int) -> Plan:
    """The plan that sender and receiver share.

    Args:
        profile: of the picture; at least one level above 0.
        tiling: of the picture.
        slots: real values that can be sent, twice the symbols.
    """
    levels = _coefficient_levels(profile, tiling)
    shares = allocate(levels, np.full_like(levels, tiling.tiles), slots, profile.design)
    count = int(shares.counts.sum())
    ranking = np.argsort(-levels, kind="stable")[: -(-count // tiling.tiles)]
    spread = ranking[:, None] * tiling.tiles + np.arange(tiling.tiles)
    copies = np.repeat(shares.copies, shares.counts)
    rounds = [np.arange(np.count_nonzero(copies > n)) for n in range(int(copies.max()))]
    filling = np.resize(np.concatenate(rounds), slots)
    variances = level_variance(np.repeat(shares.levels, shares.counts))
    scale = np.exp2(profile.scale / SCALE_STEPS_PER_OCTAVE)
    powers = scale * np.repeat(shares.powers, shares.counts)
    gains = np.sqrt(powers / (variances * np.bincount(filling, minlength=count)))
    return Plan(spread.reshape(-1)[:count], variances, filling, gains[filling])


def _coefficient_levels(profile: Profile, tiling: Tiling) -> IndexArray:
    """Variance level of every frequency and colour of a tile, flat."""
    bands = band_map(tiling.tile_height, tiling.tile_width, profile.detail)
    return profile.levels.reshape(3, -1)[:, bands].reshape(-1)


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A way to send a picture's side information, and the squared error expected from it."""

    profile: Profile
    bits: BitArray
    mcs: int
    error: float


class LinearCodec(Codec):
    """The ``linear`` scheme.

    Sections: the side information (digital), then the coefficients (analogue, one stream), which is
    absent where a picture has none worth sending. Together they take ``round(cbr 3 H W)`` channel
    uses. A picture too small for even its side information at that rate is sent as its mean
    colour, whatever that takes.

    Args:
        label: codec and preset numbers.
        cbr: channel bandwidth ratio where a request does not ask for one.
    """

    def __init__(self, label: CodecLabel, cbr: float) -> None:
        self.label = label
        self._cbr = cbr

    def encode(
        self, images: Sequence[Tensor], state: ChannelState, request: Request | None = None
    ) -> list[Transmission]:
        """Encode pictures; see :meth:`Codec.encode`. Of the request, ``cbr`` is served.

        Raises:
            ValueError: a picture that is not ``[3, H, W]`` or not finite, or a CBR that is not
                positive.
        """
        cbr = self._cbr if request is None or request.cbr is None else request.cbr
        if not 0 < cbr < np.inf:
            raise ValueError(f"a CBR of {cbr:g} cannot be served: give one above 0, such as 0.1667")
        snr_db = DEFAULT_SNR_DB if state.snr_db is None else state.snr_db
        return [self._encode_one(image, snr_db, cbr) for image in images]

    def decode(self, receptions: Sequence[Reception]) -> list[Tensor]:
        """Decode pictures; mid-grey where the side information did not arrive."""
        return [torch.from_numpy(_decode_one(reception)) for reception in receptions]

    def _encode_one(self, image: Tensor, snr_db: float, cbr: float) -> Transmission:
        if image.ndim != 3 or image.shape[0] != 3 or image.numel() == 0:
            raise ValueError(f"a picture is [3, H, W], not {list(image.shape)}")
        pixels = image.detach().cpu().float().numpy()
        if not np.isfinite(pixels).all():
            raise ValueError("a picture has values that are not finite")
        tiling = Tiling.of(pixels.shape[1], pixels.shape[2])
        mean = np.rint(pixels.mean((1, 2), dtype=np.float64).clip(0, 1) * MEAN_STEPS)
        coefficients = tiling.analyse(pixels - _colour(mean))
        budget = round(cbr * pixels.size)
        chosen = _choose(coefficients, tiling, mean.astype(np.int64), budget, snr_db)
        uses = budget - symbol_count(len(chosen.bits), chosen.mcs)
        profile = chosen.profile
        sections: tuple[DigitalSection | AnalogSection, ...]
        if uses > 0 and profile.levels.any():
            profile, symbols = _fill(coefficients.reshape(-1), profile, tiling, uses)
            side = DigitalSection(write_profile(profile), chosen.mcs)
            sections = (side, AnalogSection(symbols[None]))
        else:
            sections = (DigitalSection(chosen.bits, chosen.mcs),)
        return Transmission(sections, tiling.height, tiling.width, self.label)


def open_codec(preset: PresetInfo, weights: Path | None) -> LinearCodec:
    """The codec of a preset; nothing is learned, so there are no weights."""
    return LinearCodec(label_of(preset, weights), preset.cbr)


def _colour(mean: NDArray[np.float64] | IndexArray) -> FloatArray:
    """Mean colour ``[3, 1, 1]`` of the steps that are sent."""
    return (mean / MEAN_STEPS).astype(np.float32)[:, None, None]


def _fill(
    coefficients: FloatArray, profile: Profile, tiling: Tiling, uses: int
) -> tuple[Profile, NDArray[np.complex64]]:
    """Symbols ``[uses]`` of unit mean power and the profile with the power scale that took."""
    plan = make_plan(profile, tiling, 2 * uses)
    values = coefficients[plan.coefficients][plan.slots] * plan.gains
    power = float(np.mean(values**2))
    scale = -round(SCALE_STEPS_PER_OCTAVE * np.log2(power))
    values *= np.exp2(0.5 * scale / SCALE_STEPS_PER_OCTAVE) * np.sqrt(0.5)
    symbols = (values[0::2] + 1j * values[1::2]).astype(np.complex64)
    return replace(profile, scale=scale), symbols


def _choose(
    coefficients: FloatArray, tiling: Tiling, mean: IndexArray, budget: int, snr_db: float
) -> _Candidate:
    """The profile and digital mode from which the least error is expected.

    The most robust mode is taken if side information is a small share of the budget in it, a mode
    that the SNR hardly carries only if none before it fits the budget.
    """
    energies = np.einsum("cuvt,cuvt->cuv", coefficients, coefficients, dtype=np.float64)
    design = design_of_snr(snr_db)
    profiles = list(_profiles(energies, tiling, mean, budget, design))
    best: _Candidate | None = None
    for mcs, lowest_snr_db in MCS_FROM_SNR_DB.items():
        if best is not None and snr_db < lowest_snr_db:
            break
        for profile, bits in profiles:
            uses = budget - symbol_count(len(bits), mcs)
            if uses < 1:
                continue
            error = _expected_error(profile, energies, tiling, 2 * uses)
            if best is None or error < best.error:
                best = _Candidate(profile, bits, mcs, error)
        if best is not None and symbol_count(len(best.bits), mcs) <= (
            SIDE_INFORMATION_SHARE * budget
        ):
            break
    if best is not None:
        return best
    shape = profile_shape(tiling.tile_height, tiling.tile_width, 0)
    empty = Profile(0, design, mean, 0, np.zeros((3, *shape), np.int64))
    return _Candidate(empty, write_profile(empty), mcs, np.inf)


def _profiles(
    energies: NDArray[np.float64], tiling: Tiling, mean: IndexArray, budget: int, design: int
) -> Iterator[tuple[Profile, BitArray]]:
    """Profiles to choose from: every detail, and the weakest bands left out or not."""
    for detail in range(DETAILS):
        shape = profile_shape(tiling.tile_height, tiling.tile_width, detail)
        bands = band_map(tiling.tile_height, tiling.tile_width, detail)
        index = (np.arange(3)[:, None, None] * (shape[0] * shape[1]) + bands).reshape(-1)
        sizes = np.bincount(index, minlength=3 * shape[0] * shape[1]) * tiling.tiles
        sums = np.bincount(index, energies.reshape(-1), minlength=len(sizes))
        levels = variance_level(sums / np.maximum(sizes, 1))
        worth = allocate(levels, sizes, 2 * budget, design).levels
        for least in (worth.min(initial=TOP_LEVEL) + step for step in FLOOR_STEPS):
            kept = np.where(levels >= least, levels, 0).reshape(3, *shape)
            profile = Profile(detail, design, mean, 0, kept)
            yield profile, write_profile(profile)


def _expected_error(
    profile: Profile, energies: NDArray[np.float64], tiling: Tiling, slots: int
) -> float:
    """Squared error of the picture expected at the design's noise."""
    levels = _coefficient_levels(profile, tiling)
    sizes = np.full_like(levels, tiling.tiles)
    shares = allocate(levels, sizes, slots, profile.design)
    held = np.bincount(levels, energies.reshape(-1), minlength=TOP_LEVEL + 1)
    totals = np.bincount(levels, sizes, minlength=TOP_LEVEL + 1)
    sent = held[shares.levels] * shares.counts / totals[shares.levels]
    noise = half_octave(-2 * profile.design)
    return float(energies.sum() - (sent * shares.powers / (shares.powers + noise)).sum())


def _decode_one(reception: Reception) -> FloatArray:
    header = reception.header
    tiling = Tiling.of(header.height, header.width)
    profile = _received_profile(reception, tiling)
    if profile is None:
        return np.full((3, header.height, header.width), 0.5, np.float32)
    coefficients = np.zeros(3 * tiling.tile_height * tiling.tile_width * tiling.tiles, np.float32)
    analogue = [s for s in reception.sections if isinstance(s, ReceivedAnalog)]
    if analogue and analogue[0].symbols.size and profile.levels.any():
        plan = make_plan(profile, tiling, 2 * analogue[0].symbols.size)
        coefficients[plan.coefficients] = _estimate(plan, analogue[0])
    shape = (3, tiling.tile_height, tiling.tile_width, tiling.tiles)
    picture = tiling.synthesise(coefficients.reshape(shape)) + _colour(profile.mean)
    return np.clip(picture, 0, 1).astype(np.float32)


def _received_profile(reception: Reception, tiling: Tiling) -> Profile | None:
    side = [s for s in reception.sections if isinstance(s, ReceivedDigital)]
    if not side or not side[0].ok:
        return None
    try:
        return read_profile(side[0].bits, tiling.tile_height, tiling.tile_width)
    except DamagedProfile:
        return None


def _estimate(plan: Plan, section: ReceivedAnalog) -> NDArray[np.float64]:
    """LMMSE estimates of the coefficients sent; lost symbols count as infinite noise."""
    symbols = section.symbols.reshape(-1).astype(np.complex128) * np.sqrt(2)
    noise = np.maximum(section.noise_var.reshape(-1).astype(np.float64), LEAST_NOISE)
    lost = section.erased.reshape(-1) | ~np.isfinite(symbols) | ~np.isfinite(noise)
    values = np.where(lost, 0, symbols).view(np.float64)
    trust = plan.gains * np.repeat(np.where(lost, 0, 1 / noise), 2)
    count = len(plan.coefficients)
    told = np.bincount(plan.slots, trust * values, minlength=count)
    precision = np.bincount(plan.slots, trust * plan.gains, minlength=count)
    return np.asarray(told / (precision + 1 / plan.variances))
