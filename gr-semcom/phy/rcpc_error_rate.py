# SPDX-License-Identifier: GPL-3.0-or-later
"""How often packets of :mod:`semcom_phy.rcpc` are lost over complex white Gaussian noise.

``python -m semcom_phy.rcpc_error_rate > rcpc_error_rate.csv`` measures what is read here.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from semcom_phy.awgn import send_bits
from semcom_phy.rcpc import CHECK, RATES, decode_packets, encode_packets, payload_bits

MEASURED_LENGTH = 1024
"""Coded bits of the packets that are measured."""

_BATCH = 200
_STEP_DB = 0.5


def packet_error_rate(n_bits: int, rate: Fraction, snr_db: float) -> float:
    """Probability that a packet is lost.

    Errors begin anywhere in a packet with the same probability; the measured rate of such events
    for each bit is interpolated on a logarithmic scale, and continued beyond the measurements.

    Args:
        n_bits: that the packet carries.
        rate: one of :data:`semcom_phy.rcpc.RATES`.
        snr_db: Es/N0 of QPSK symbols.

    Returns:
        From 0 to 1.

    Raises:
        ValueError: another rate.
    """
    if rate not in RATES:
        raise ValueError(f"no code has rate {rate}, choose one of: {', '.join(map(str, RATES))}")
    # A lower rate sends all that a higher one sends, and never does worse.
    weaker = RATES[RATES.index(rate) :]
    events = 10 ** min(0.0, *(_log_error_events(other, snr_db) for other in weaker))
    return float(-np.expm1(-(n_bits + CHECK.crc.length) * events))


def _log_error_events(rate: Fraction, snr_db: float) -> float:
    """log10 of the error events a bit, on the line through the two nearest measurements."""
    snrs, log_events = _error_events()[rate]
    place = int(np.clip(np.searchsorted(snrs, snr_db), 1, len(snrs) - 1))
    slope = (log_events[place] - log_events[place - 1]) / (snrs[place] - snrs[place - 1])
    return float(log_events[place] + slope * (snr_db - snrs[place]))


@lru_cache(maxsize=1)
def _error_events() -> dict[Fraction, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """By rate: Es/N0 in dB, rising, and log10 of the error events a bit."""
    text = (resources.files("semcom_phy") / "rcpc_error_rate.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    table = {}
    for rate in RATES:
        points = [row for row in rows if Fraction(row["rate"]) == rate]
        bits = payload_bits(MEASURED_LENGTH, rate) + CHECK.crc.length
        lost = np.array([int(row["lost"]) / int(row["packets"]) for row in points])
        snrs = np.array([float(row["snr_db"]) for row in points])
        table[rate] = snrs, np.log10(-np.log1p(-lost) / bits)
    return table


def count_lost(rate: Fraction, snr_db: float, packets: int, rng: np.random.Generator) -> int:
    """Send packets over Gaussian noise and count those that are lost."""
    n_bits = payload_bits(MEASURED_LENGTH, rate)
    bits = rng.integers(0, 2, (packets, n_bits), np.uint8)
    llr = send_bits(encode_packets(bits, MEASURED_LENGTH), 2, snr_db, rng)
    decoded, _ = decode_packets(llr, n_bits)
    return int((decoded != bits).any(axis=1).sum())


def measure(
    rate: Fraction, start_db: float, errors: int, max_packets: int, rng: np.random.Generator
) -> Iterator[tuple[float, int, int]]:
    """Measure a rate from where most packets are lost to where few are.

    Args:
        rate: of the code.
        start_db: a multiple of half a dB at which nearly all packets are lost.
        errors: lost packets to wait for.
        max_packets: to send at most at one SNR; where they do not suffice, the rate is done.
        rng: of bits and noise.

    Yields:
        Es/N0 in dB, packets sent, packets lost.
    """
    snr_db, packets, lost = start_db, 0, 0
    while packets < max_packets:
        packets = lost = 0
        while lost < errors and packets < max_packets:
            lost += count_lost(rate, snr_db, _BATCH, rng)
            packets += _BATCH
        if errors <= lost < 0.95 * packets:
            yield snr_db, packets, lost
        snr_db += _STEP_DB


def main() -> None:
    """Print the table as CSV."""
    parser = argparse.ArgumentParser(prog="python -m semcom_phy.rcpc_error_rate")
    parser.add_argument("--errors", type=int, default=50, help="lost packets to wait for")
    parser.add_argument("--max-packets", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("rate", "snr_db", "packets", "lost"))
    start_db = -8.0
    for rate in RATES:
        points = list(measure(rate, start_db, arguments.errors, arguments.max_packets, rng))
        writer.writerows((rate, *point) for point in points)
        sys.stdout.flush()
        # The next code is weaker.
        start_db = points[0][0] - _STEP_DB


if __name__ == "__main__":
    main()
