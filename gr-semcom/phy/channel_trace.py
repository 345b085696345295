# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels recorded or generated before, replayed.

A trace is a NumPy archive (``.npz``) with

- ``gains``: complex ``H[t, tap, rx, tx]`` or ``H[t, subcarrier, rx, tx]``,
- ``interval_s``: seconds from one ``t`` to the next,
- ``delays_s``: ``[tap]`` in seconds, or ``frequencies_hz``: ``[subcarrier]`` about the carrier,
  ascending and evenly spaced; the carrier itself may be missing among them.

Gains are linear in time between the times of the trace. A trace that is at an end goes back the
way it came: the channel never jumps. Where it begins is drawn for each picture, as is any other
channel. ``python -m semcom_phy.channel_trace tdl-c FILE.npz`` generates one.
"""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray
from semcom_phy.tap_process import ConstantTaps, TapProcess
from semcom_phy.tdl import TDL_NAMES, tdl_channel

LARGEST_BYTES = 1 << 30
"""Of an array of a trace, unpacked."""

_EXAMPLE = "numpy.savez(FILE, gains=..., interval_s=..., delays_s=...)"

_PRECURSOR_SHARE = 1 / 8
"""Of the delays that a spacing of frequencies can tell apart, this share at the end is taken for
echoes that come before the rest."""


@dataclass(frozen=True, eq=False)
class ChannelTrace:
    """A channel over some time, see :class:`semcom_phy.tap_process.Multipath`.

    Attributes:
        delays_s: ``[tap]``.
        interval_s: between times.
        gains: ``[t, tap, rx, tx]``.

    Raises:
        ValueError: arrays of shapes that do not fit, values that are not finite, or an interval
            that is not positive.
    """

    delays_s: NDArray[np.float64]
    interval_s: float
    gains: ComplexArray

    def __post_init__(self) -> None:
        if self.gains.ndim != 4 or 0 in self.gains.shape:
            raise ValueError(
                f"gains have shape {self.gains.shape}, [t, tap, rx, tx] is expected: give all four "
                "axes, those of one antenna too"
            )
        if self.delays_s.shape != self.gains.shape[1:2]:
            raise ValueError(
                f"there are gains of {self.gains.shape[1]} taps and delays of shape "
                f"{self.delays_s.shape}: give one delay a tap"
            )
        for name, values in (("gains", self.gains), ("delays", self.delays_s)):
            unknown = int(values.size - np.isfinite(values).sum())
            if unknown:
                raise ValueError(
                    f"{unknown} of {values.size} {name} are no finite numbers: leave out those "
                    "times or taps, or interpolate"
                )
        if not 0 < self.interval_s < np.inf:
            raise ValueError(
                f"interval_s is {self.interval_s:g}, it must be positive: give the seconds from "
                "one time to the next"
            )

    def power_delay_profile(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Delays of the taps in s, and their powers ``[tap]``, the mean over times."""
        powers = np.mean(np.abs(self.gains) ** 2, axis=0, dtype=np.float64)
        return self.delays_s, powers.sum(axis=(1, 2))

    def realise(
        self, rx_antennas: int, tx_antennas: int, generator: np.random.Generator
    ) -> TapProcess:
        """Choose where the replay begins, see :class:`semcom_phy.tap_process.Multipath`."""
        rx, tx = self.gains.shape[2:]
        if (rx, tx) != (rx_antennas, tx_antennas):
            raise ValueError(
                f"the channel trace is of {rx} receive and {tx} transmit antennas, the link has "
                f"{rx_antennas} and {tx_antennas}: choose antennas {tx}x{rx}, or another trace"
            )
        if len(self.gains) == 1:
            return ConstantTaps(self.delays_s, self.gains[0])
        return _Replay(self, int(generator.integers(2 * (len(self.gains) - 1))))


class _Replay:
    """A trace forth and back from some place on, see :class:`semcom_phy.tap_process.TapProcess`."""

    def __init__(self, trace: ChannelTrace, begin: int) -> None:
        self.delays_s, self.interval_s = trace.delays_s, trace.interval_s
        self._gains, self._begin = trace.gains, begin

    def gains(self, first: int, count: int) -> ComplexArray:
        turn = len(self._gains) - 1
        place = (self._begin + first + np.arange(count)) % (2 * turn)
        return self._gains[np.minimum(place, 2 * turn - place)]


def load_trace(path: Path) -> ChannelTrace:
    """Read a trace; its contents are not trusted.

    Raises:
        ValueError: not such a file, or one that cannot be read; the message says what is wrong
            and how to mend it.
    """
    try:
        arrays = _arrays(path)
        gains = np.asarray(_required(arrays, "gains"), np.complex64)
        interval_s = _seconds(_required(arrays, "interval_s"))
        if "delays_s" in arrays:
            return ChannelTrace(np.asarray(arrays["delays_s"], np.float64), interval_s, gains)
        frequencies = np.asarray(_required(arrays, "frequencies_hz"), np.float64)
        return _from_subcarriers(frequencies, interval_s, gains)
    except OSError as error:
        raise ValueError(
            f"cannot read the channel trace {path}: {error.strerror}; name an .npz file, such as "
            "`python -m semcom_phy.channel_trace` generates"
        ) from error
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"{path} is no channel trace: it is no .npz archive; write one by {_EXAMPLE}"
        ) from error
    except (ValueError, TypeError, EOFError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is no channel trace: {reason}") from error


def save_trace(path: Path, trace: ChannelTrace) -> None:
    """Write a trace."""
    with path.open("wb") as file:
        np.savez(file, gains=trace.gains, interval_s=trace.interval_s, delays_s=trace.delays_s)


def _required(arrays: dict[str, NDArray[np.generic]], name: str) -> NDArray[np.generic]:
    if name not in arrays:
        known = ", ".join(sorted(arrays)) or "none"
        raise ValueError(
            f"it holds no array {name!r} (there are: {known}); write one by {_EXAMPLE}"
        )
    return arrays[name]


def _seconds(interval: NDArray[np.generic]) -> float:
    if interval.size != 1:
        raise ValueError(f"interval_s has shape {interval.shape}: give one number of seconds")
    return float(interval.item())


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Numeric arrays of an archive, none larger than :data:`LARGEST_BYTES`."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                _check_header(member, file)
    with np.load(path, allow_pickle=False) as loaded:
        return {name: loaded[name] for name in loaded.files}


def _check_header(member: zipfile.ZipInfo, file: object) -> None:
    """What an array's header promises must be what there is of it."""
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"array {member.filename} is of format {version}")
    shape, _, dtype = read(file)
    if dtype.kind not in "iufc":
        raise ValueError(f"array {member.filename} holds no numbers, but {dtype}: save numbers")
    size = dtype.itemsize
    for extent in shape:
        size *= extent
    if size > min(member.file_size, LARGEST_BYTES):
        raise ValueError(
            f"array {member.filename} of shape {shape} is larger than the file's "
            f"{member.file_size} or the {LARGEST_BYTES} bytes that are possible"
        )


def _from_subcarriers(
    frequencies: NDArray[np.float64], interval_s: float, gains: ComplexArray
) -> ChannelTrace:
    """Taps that have exactly the gains ``[t, subcarrier, rx, tx]`` at the frequencies.

    They lie a bandwidth's inverse apart; outside of the band the channel repeats.
    """
    if gains.ndim != 4 or frequencies.shape != gains.shape[1:2] or frequencies.size < 2:
        raise ValueError(
            f"gains have shape {gains.shape} and frequencies_hz {frequencies.shape}, "
            "[t, subcarrier, rx, tx] and [subcarrier] are expected, two subcarriers at least"
        )
    frequencies, gains = _with_carrier(frequencies, gains)
    spacing = (frequencies[-1] - frequencies[0]) / (frequencies.size - 1)
    even = frequencies[0] + spacing * np.arange(frequencies.size)
    if not spacing > 0 or not np.abs(frequencies - even).max() < 1e-3 * spacing:
        raise ValueError("frequencies_hz must ascend in even steps")
    count = frequencies.size
    early = int(_PRECURSOR_SHARE * count)
    delays = np.arange(-early, count - early) / (count * spacing)
    turns = np.exp(2j * np.pi * np.outer(delays, even)).astype(np.complex64) / count
    return ChannelTrace(delays, interval_s, np.einsum("nk,tkij->tnij", turns, gains, optimize=True))


def _with_carrier(
    frequencies: NDArray[np.float64], gains: ComplexArray
) -> tuple[NDArray[np.float64], ComplexArray]:
    """Put the carrier in where only it is missing, its gain the mean of its neighbours'."""
    middle = int(np.searchsorted(frequencies, 0.0))
    if not 0 < middle < frequencies.size or frequencies[middle] == 0:
        return frequencies, gains
    between = gains[:, middle - 1 : middle + 1].mean(axis=1, keepdims=True)
    return (
        np.insert(frequencies, middle, 0.0),
        np.concatenate([gains[:, :middle], between, gains[:, middle:]], axis=1),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Generate a trace from a profile of TR 38.901."""
    parser = argparse.ArgumentParser(
        prog="python -m semcom_phy.channel_trace",
        description="Generate a channel trace from a tapped delay line of 3GPP TR 38.901.",
    )
    parser.add_argument("profile", choices=TDL_NAMES)
    parser.add_argument("output", type=Path, help="file to write, .npz")
    parser.add_argument("--delay-spread", type=float, default=100e-9, help="RMS, in s; 1e-7")
    parser.add_argument("--doppler", type=float, default=5.0, help="largest shift in Hz; 5")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long; 1")
    parser.add_argument("--rx-antennas", type=int, choices=(1, 2), default=1)
    parser.add_argument("--tx-antennas", type=int, choices=(1, 2), default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        trace = generate(
            options.profile,
            options.delay_spread,
            options.doppler,
            options.seconds,
            (options.rx_antennas, options.tx_antennas),
            options.seed,
        )
        save_trace(options.output, trace)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    times, taps, rx, tx = trace.gains.shape
    print(
        f"{options.output}: {taps} taps, {rx}x{tx} antennas, {times} times at "
        f"{trace.interval_s * 1e6:.1f} us"
    )


def generate(
    profile: str,
    delay_spread_s: float,
    doppler_hz: float,
    seconds: float,
    antennas: tuple[int, int] = (1, 1),
    seed: int = 0,
) -> ChannelTrace:
    """A trace of a tapped delay line.

    Args:
        profile: one of :data:`semcom_phy.tdl.TDL_NAMES`.
        delay_spread_s: RMS delay spread.
        doppler_hz: largest Doppler shift; 0 gives a trace of a single time.
        seconds: how long.
        antennas: receive and transmit.
        seed: of the realisation.

    Raises:
        ValueError: an argument out of range, or a trace larger than can be read.
    """
    channel = tdl_channel(profile, delay_spread_s, doppler_hz)
    process = channel.realise(*antennas, np.random.default_rng(seed))
    if doppler_hz == 0:
        return ChannelTrace(process.delays_s, seconds, process.gains(0, 1))
    if not 0 < seconds < np.inf:
        raise ValueError(f"a trace of {seconds} s was asked, it must last some time")
    count = int(np.ceil(seconds / process.interval_s)) + 1
    size = 8 * count * process.delays_s.size * antennas[0] * antennas[1]
    if size > LARGEST_BYTES:
        raise ValueError(f"the trace would take {size} bytes, {LARGEST_BYTES} are possible")
    return ChannelTrace(process.delays_s, process.interval_s, process.gains(0, count))


if __name__ == "__main__":
    main()
