# SPDX-License-Identifier: GPL-3.0-or-later
"""Fading channels: the tapped delay lines of 3GPP TR 38.901, and their flat relatives.

Profiles TDL-A to TDL-E are those of TR 38.901 (V19), tables 7.7.2-1 to 7.7.2-5, their delays
scaled to the RMS delay spread wanted (clause 7.7.3) and their powers to a sum of one. A, B and C
are without a direct wave, D and E have one at the first tap. Every tap fades by itself
(:class:`semcom_phy.fading.ClarkeFading`), as does every pair of antennas: they are independent,
as far apart antennas among many scatterers are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray
from semcom_phy.fading import ClarkeFading
from semcom_phy.tap_process import ConstantTaps, TapProcess

POINTS_PER_DOPPLER_CYCLE = 128
"""Grid points that gains are computed at; linear in between, they are off by at most
``(2 pi / 128)^2 / 8``, that is -70 dB, and by -77 dB on average."""

LARGEST_DELAY_SPREAD_S = 1e-3
LARGEST_DOPPLER_HZ = 10e3


@dataclass(frozen=True)
class DelayProfile:
    """A power-delay profile.

    Attributes:
        delays: of the taps, in units of the RMS delay spread.
        powers_db: mean powers of the taps without their direct waves.
        direct_db: power of the direct wave at the first tap, None for none.
    """

    delays: tuple[float, ...]
    powers_db: tuple[float, ...]
    direct_db: float | None = None


# fmt: off
_PROFILES = {
    "tdl-a": DelayProfile(  # Table 7.7.2-1
        (0.0, 0.3819, 0.4025, 0.5868, 0.4610, 0.5375, 0.6708, 0.5750, 0.7618, 1.5375, 1.8978,
         2.2242, 2.1718, 2.4942, 2.5119, 3.0582, 4.0810, 4.4579, 4.5695, 4.7966, 5.0066, 5.3043,
         9.6586),
        (-13.4, 0.0, -2.2, -4.0, -6.0, -8.2, -9.9, -10.5, -7.5, -15.9, -6.6, -16.7, -12.4, -15.2,
         -10.8, -11.3, -12.7, -16.2, -18.3, -18.9, -16.6, -19.9, -29.7),
    ),
    "tdl-b": DelayProfile(  # Table 7.7.2-2
        (0.0, 0.1072, 0.2155, 0.2095, 0.2870, 0.2986, 0.3752, 0.5055, 0.3681, 0.3697, 0.5700,
         0.5283, 1.1021, 1.2756, 1.5474, 1.7842, 2.0169, 2.8294, 3.0219, 3.6187, 4.1067, 4.2790,
         4.7834),
        (0.0, -2.2, -4.0, -3.2, -9.8, -1.2, -3.4, -5.2, -7.6, -3.0, -8.9, -9.0, -4.8, -5.7, -7.5,
         -1.9, -7.6, -12.2, -9.8, -11.4, -14.9, -9.2, -11.3),
    ),
    "tdl-c": DelayProfile(  # Table 7.7.2-3
        (0.0, 0.2099, 0.2219, 0.2329, 0.2176, 0.6366, 0.6448, 0.6560, 0.6584, 0.7935, 0.8213,
         0.9336, 1.2285, 1.3083, 2.1704, 2.7105, 4.2589, 4.6003, 5.4902, 5.6077, 6.3065, 6.6374,
         7.0427, 8.6523),
        (-4.4, -1.2, -3.5, -5.2, -2.5, 0.0, -2.2, -3.9, -7.4, -7.1, -10.7, -11.1, -5.1, -6.8,
         -8.7, -13.2, -13.9, -13.9, -15.8, -17.1, -16.0, -15.7, -21.6, -22.8),
    ),
    "tdl-d": DelayProfile(  # Table 7.7.2-4, K-factor of the first tap 13.3 dB
        (0.0, 0.035, 0.612, 1.363, 1.405, 1.804, 2.596, 1.775, 4.042, 7.937, 9.424, 9.708,
         12.525),
        (-13.5, -18.8, -21.0, -22.8, -17.9, -20.1, -21.9, -22.9, -27.8, -23.6, -24.8, -30.0,
         -27.7),
        direct_db=-0.2,
    ),
    "tdl-e": DelayProfile(  # Table 7.7.2-5, K-factor of the first tap 22 dB
        (0.0, 0.5133, 0.5440, 0.5630, 0.5440, 0.7112, 1.9092, 1.9293, 1.9589, 2.6426, 3.7136,
         5.4524, 12.0034, 20.6519),
        (-22.03, -15.8, -18.1, -19.8, -22.9, -22.4, -18.6, -20.8, -22.6, -22.3, -25.6, -20.2,
         -29.8, -29.2),
        direct_db=-0.03,
    ),
}
# fmt: on

TDL_NAMES = tuple(_PROFILES)


@dataclass(frozen=True)
class FadingChannel:
    """A kind of fading channel, of unit mean power from each antenna to each.

    Attributes:
        profile: of the delays and powers.
        delay_spread_s: RMS delay spread.
        doppler_hz: largest Doppler shift; 0 for a channel that stays as it was drawn.

    Raises:
        ValueError: a delay spread or Doppler shift out of range.
    """

    profile: DelayProfile
    delay_spread_s: float = 0.0
    doppler_hz: float = 0.0

    def __post_init__(self) -> None:
        for name, value, limit in (
            ("delay spread", self.delay_spread_s, LARGEST_DELAY_SPREAD_S),
            ("Doppler shift", self.doppler_hz, LARGEST_DOPPLER_HZ),
        ):
            if not 0 <= value <= limit:
                raise ValueError(f"the {name} is {value:g}, choose 0 to {limit:g}")

    def power_delay_profile(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Delays of the taps in s, and their mean powers of sum one."""
        powers = 10 ** (np.asarray(self.profile.powers_db) / 10)
        if self.profile.direct_db is not None:
            powers[0] += 10 ** (self.profile.direct_db / 10)
        delays = self.delay_spread_s * np.asarray(self.profile.delays, np.float64)
        return delays, powers / powers.sum()

    def realise(
        self, rx_antennas: int, tx_antennas: int, generator: np.random.Generator
    ) -> TapProcess:
        """Draw a realisation, see :class:`semcom_phy.tap_process.Multipath`."""
        fading = _FadingTaps(self, rx_antennas, tx_antennas, generator)
        if self.doppler_hz > 0:
            return fading
        return ConstantTaps(fading.delays_s, fading.gains(0, 1)[0])


def tdl_channel(name: str, delay_spread_s: float, doppler_hz: float = 0.0) -> FadingChannel:
    """A tapped delay line of TR 38.901, clause 7.7.2.

    Args:
        name: one of :data:`TDL_NAMES`.
        delay_spread_s: RMS delay spread.
        doppler_hz: largest Doppler shift.

    Raises:
        ValueError: no such profile, or a value out of range.
    """
    if name not in _PROFILES:
        raise ValueError(f"no profile {name!r}, choose one of: {', '.join(_PROFILES)}")
    return FadingChannel(_PROFILES[name], delay_spread_s, doppler_hz)


def flat_channel(doppler_hz: float = 0.0, rician_k_db: float | None = None) -> FadingChannel:
    """One path with Rayleigh fading, or Rician fading of a K-factor."""
    return FadingChannel(DelayProfile((0.0,), (0.0,), rician_k_db), doppler_hz=doppler_hz)


class _FadingTaps:
    """A realisation, see :class:`semcom_phy.tap_process.TapProcess`."""

    def __init__(
        self, channel: FadingChannel, rx: int, tx: int, generator: np.random.Generator
    ) -> None:
        profile = channel.profile
        self.delays_s, powers = channel.power_delay_profile()
        self._amplitude = np.sqrt(powers)[:, None, None]
        self._shape = (powers.size, rx, tx)
        rician_k = np.zeros(powers.size)
        if profile.direct_db is not None:
            rician_k[0] = 10 ** (profile.direct_db / 10) / 10 ** (profile.powers_db[0] / 10)
        doppler = channel.doppler_hz
        self.interval_s = 1 / (POINTS_PER_DOPPLER_CYCLE * doppler) if doppler else math.inf
        step = 1 / POINTS_PER_DOPPLER_CYCLE if doppler else 0.0
        self._fading = ClarkeFading(step, generator, np.repeat(rician_k, rx * tx).tolist())

    def gains(self, first: int, count: int) -> ComplexArray:
        gains: NDArray[np.complex128] = self._fading.gains(first, count)
        return (gains.reshape(count, *self._shape) * self._amplitude).astype(np.complex64)
