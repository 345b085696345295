# SPDX-License-Identifier: GPL-3.0-or-later
"""A standard codec over 5G LDPC: a picture of Kodak's size, search of the best quality included."""

from __future__ import annotations

import numpy as np

from benchmarks.bursts import with_noise
from benchmarks.codec import kodak_sized_picture
from benchmarks.modem import SNR_DB, receive, transmit
from benchmarks.result import Result
from benchmarks.timing import measure
from semcom_models.codecs import registry
from semcom_phy.exchange import ChannelState, ReceivedDigital
from semcom_phy.numerology import NARROW


def bpg_ldpc_kodak_s(repeats: int) -> Result:
    """Seconds by the clock of a picture by ``bpg+ldpc`` at CBR 1/6 and 10 dB, over the waveform.

    Raises:
        RuntimeError: the picture did not arrive, so that its time would mean nothing.
    """
    codec = registry.load("bpg+ldpc", preset="x265")
    picture, state = kodak_sized_picture(), ChannelState(snr_db=SNR_DB)
    encoded = measure(lambda: codec.encode([picture], state), repeats)
    sent = measure(lambda: transmit(encoded.value[0], NARROW), repeats)
    samples = with_noise(sent.value, SNR_DB, np.random.default_rng(1))
    received = measure(lambda: receive(samples, NARROW), repeats)
    arrived = [
        isinstance(section, ReceivedDigital) and section.ok
        for reception in received.value
        for section in reception.sections
    ]
    if len(received.value) != 1 or not all(arrived):
        raise RuntimeError("the picture was lost at 10 dB: its time would mean nothing")
    decoded = measure(lambda: codec.decode(received.value), repeats)
    parts = {
        "search and encode": encoded.wall_s,
        "code and modem": sent.wall_s + received.wall_s,
        "decode": decoded.wall_s,
    }
    return Result("bpg_ldpc_kodak_s", sum(parts.values()), "s", parts)
