# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m semcom_phy.warm_up``: have the modem compiled, once for all later programs.

Numba compiles a function when it is first called and keeps the result beside the source. Here a
picture with a digital section goes through transmitter, channel and receiver, on a channel that
stays and on one that fades.
"""

from __future__ import annotations

import numpy as np

from semcom_phy.channel import ChannelConfig, SampleChannel
from semcom_phy.exchange import AnalogSection, CodecLabel, DigitalSection, Transmission
from semcom_phy.fragments import Assembler, fragment
from semcom_phy.mcs_tables import mcs_index
from semcom_phy.modulator import Modulator
from semcom_phy.named_channels import named_channel
from semcom_phy.numerology import NARROW, Numerology
from semcom_phy.receiver import Receiver, lookahead_samples


def warm_up(numerology: Numerology = NARROW) -> int:
    """Run the modem.

    Args:
        numerology: of the waveform, as many antennas at both ends.

    Returns:
        Pictures that arrived: 2 where all is well.
    """
    rng, antennas = np.random.default_rng(0), numerology.tx_antennas
    symbols = rng.standard_normal((2, antennas, 4000)).astype(np.float32) * np.float32(0.5**0.5)
    analog = AnalogSection((symbols[0] + 1j * symbols[1]).astype(np.complex64))
    digital = DigitalSection(rng.integers(0, 2, 600, np.uint8), mcs_index("nr-qpsk-1/2"))
    picture = Transmission((analog, digital), 64, 64, CodecLabel(1))
    modulator, arrived = Modulator(numerology), 0
    for name, doppler_hz in (("awgn", 0.0), ("tdl-a", 5.0)):
        multipath = named_channel(name, 1e-7, doppler_hz, 6.0)
        channel = SampleChannel(ChannelConfig(25.0, cfo_hz=1e3, multipath=multipath), numerology)
        receiver, assembler = Receiver(numerology), Assembler(numerology)
        bursts = [modulator.frame(frame) for frame in fragment(picture, 0, numerology)]
        silence = np.zeros((antennas, lookahead_samples(numerology)), np.complex64)
        heard = [channel.process(np.concatenate([*bursts, silence], axis=1)), channel.flush()]
        frames = receiver.push(np.concatenate(heard, axis=1)) + receiver.flush()
        arrived += sum(len(assembler.add(frame)) for frame in frames)
    return arrived


if __name__ == "__main__":
    warm_up()
