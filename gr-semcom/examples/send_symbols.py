#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send complex symbols through the modem and measure what noise they met; no codec, no torch."""

import numpy as np
from gnuradio.semcom import FlowgraphLink, numerology
from gnuradio.semcom.radios import open_radio

from semcom_phy.exchange import (
    AnalogSection,
    ChannelState,
    CodecLabel,
    ReceivedAnalog,
    Transmission,
)

SYMBOLS = 20_000
LABEL = CodecLabel(codec=200)  # 128 and above are anybody's


def main() -> None:
    """Print, for some SNRs, what the receiver measured and what the symbols met."""
    waveform = numerology("narrow")
    rng = np.random.default_rng(1)
    sent = (rng.choice([1, -1], SYMBOLS) + 1j * rng.choice([1, -1], SYMBOLS)) / np.sqrt(2)
    section = AnalogSection(sent.astype(np.complex64)[np.newaxis])
    print("set    measured  error vector")
    for snr_db in (0, 10, 20):
        radio = open_radio("loopback", waveform, snr_db=snr_db, cfo_hz=2e3, delay_samples=123.4)
        with FlowgraphLink(radio, waveform) as link:
            link.send(0, Transmission((section,), 64, 64, LABEL), ChannelState())
            reception = link.receive()
        if reception is None:
            print(f"{snr_db:3} dB  lost")
            continue
        received = reception.sections[0]
        assert isinstance(received, ReceivedAnalog)
        error = np.mean(np.abs(received.symbols - section.symbols) ** 2)
        print(f"{snr_db:3} dB {reception.snr_db:6.2f} dB {-10 * np.log10(error):8.2f} dB")


if __name__ == "__main__":
    main()
