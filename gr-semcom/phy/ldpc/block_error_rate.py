# SPDX-License-Identifier: GPL-3.0-or-later
"""Block error rates over complex white Gaussian noise, measured.

``python -m semcom_phy.ldpc.block_error_rate 2048/4096 --snr 0.75 1 1.25`` prints a table.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from semcom_phy.awgn import send_bits
from semcom_phy.exchange import BitArray
from semcom_phy.ldpc.bit_interleaving import bit_deinterleave, bit_interleave
from semcom_phy.ldpc.block_code import BlockCode
from semcom_phy.ldpc.nr import LDPC5G
from semcom_phy.ldpc.wlan import WLAN_1944_3_4
from semcom_phy.qam import BITS_PER_SYMBOL

_BATCH_BITS = 1 << 20


@dataclass(frozen=True)
class Count:
    """Blocks sent and blocks decoded wrongly."""

    blocks: int
    errors: int

    @property
    def rate(self) -> float:
        """The block error rate."""
        return self.errors / self.blocks

    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the rate (Clopper and Pearson)."""
        low, high = binomtest(self.errors, self.blocks).proportion_ci(0.95)
        return float(low), float(high)


def _wrong_blocks(
    code: BlockCode,
    bits: BitArray,
    bits_per_symbol: int,
    snr_db: float,
    iterations: int,
    rng: np.random.Generator,
) -> int:
    """Send a batch ``[blocks, k]`` and count the blocks that arrive wrong."""
    interleaved = bit_interleave(code.encode(bits), bits_per_symbol)
    llr = send_bits(interleaved, bits_per_symbol, snr_db, rng)
    decoded = code.decode(bit_deinterleave(llr, bits_per_symbol), iterations)
    return int((decoded != bits).any(axis=1).sum())


def count_errors(
    code: BlockCode,
    snr_db: float,
    *,
    bits_per_symbol: int = 2,
    iterations: int = 20,
    errors: int = 100,
    max_blocks: int = 100_000,
    seed: int = 1,
) -> Count:
    """Send blocks until enough are wrong.

    Args:
        code: whose blocks.
        snr_db: Es/N0 of the symbols.
        bits_per_symbol: ``Q_m``; the bits are interleaved as in TS 38.212, clause 5.4.2.2.
        iterations: of the decoder.
        errors: wrong blocks to wait for.
        max_blocks: blocks to send at most.
        seed: of bits and noise.

    Raises:
        ValueError: a block is no whole number of symbols.
    """
    rng = np.random.default_rng(seed)
    batch = max(1, _BATCH_BITS // code.n)
    sent = wrong = 0
    while sent < max_blocks and wrong < errors:
        bits = rng.integers(0, 2, (min(batch, max_blocks - sent), code.k), np.uint8)
        wrong += _wrong_blocks(code, bits, bits_per_symbol, snr_db, iterations, rng)
        sent += bits.shape[0]
    return Count(sent, wrong)


def _code(text: str) -> BlockCode:
    """``k/n`` of a 5G code, or ``wlan``."""
    if text == "wlan":
        return WLAN_1944_3_4
    try:
        k, n = (int(part) for part in text.split("/"))
        return LDPC5G(k, n)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'wlan' nor k/n: {error}") from None


def main() -> None:
    """Print a table of block error rates."""
    parser = argparse.ArgumentParser(
        prog="python -m semcom_phy.ldpc.block_error_rate", description=__doc__
    )
    parser.add_argument(
        "codes", nargs="+", type=_code, metavar="CODE", help="k/n of a 5G code, or wlan"
    )
    parser.add_argument("--snr", nargs="+", type=float, required=True, help="Es/N0 in dB")
    parser.add_argument("--modulation", choices=BITS_PER_SYMBOL, default="QPSK")
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--errors", type=int, default=100, help="wrong blocks to wait for")
    parser.add_argument("--max-blocks", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    print(
        f"{'k':>5} {'n':>6} {'Es/N0 dB':>9} {'blocks':>7} {'errors':>7} {'BLER':>9}  95 % interval"
    )
    for code in arguments.codes:
        for snr_db in arguments.snr:
            count = count_errors(
                code,
                snr_db,
                bits_per_symbol=BITS_PER_SYMBOL[arguments.modulation],
                iterations=arguments.iterations,
                errors=arguments.errors,
                max_blocks=arguments.max_blocks,
                seed=arguments.seed,
            )
            low, high = count.interval()
            print(
                f"{code.k:5} {code.n:6} {snr_db:9.2f} {count.blocks:7} {count.errors:7} "
                f"{count.rate:9.2e}  {low:.2e} to {high:.2e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
