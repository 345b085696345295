# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated channel between transmit and receive streams."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pmt
from gnuradio import gr
from gnuradio.semcom.guard import Arrays, GuardedBlock

from semcom_phy.channel import ChannelConfig, SampleChannel, require_carrier_offset
from semcom_phy.exchange import ComplexArray
from semcom_phy.numerology import Numerology

_BUFFER = 1 << 17
_LONGEST_STEP = 1 << 16  # bounds memory and keeps all blocks of a flowgraph busy
_PICTURE = pmt.intern("picture")


class LoopbackChannel(GuardedBlock):
    """:class:`semcom_phy.channel.SampleChannel` as a block.

    Streams: one input a transmit antenna, one output a receive antenna. No tag passes: a
    receiver that saw where bursts begin would cheat. The result depends on the seed and the
    samples, not on how the scheduler cuts them.

    At a tag ``picture`` the channel starts afresh, its clocks too, with fading and noise that
    depend on the seed and the picture's number alone: a picture meets the same channel whichever
    were sent before it. A channel that continues does none of that: it advances by the samples
    that pass, silence between pictures included.

    Args:
        config: what the channel does; its ``start_sample`` and ``stop_sample`` count from where
            the channel starts.
        numerology: sample rate and antennas.
        seed: of all that is drawn.
        continues: from picture to picture.

    Attributes:
        samples_in, samples_out: per antenna so far; whatever of ``samples_in`` could come out
            is among ``samples_out``.

    Raises:
        ValueError: a channel that does not fit the numerology.
    """

    def __init__(
        self,
        config: ChannelConfig,
        numerology: Numerology,
        seed: int = 0,
        continues: bool = False,
    ) -> None:
        super().__init__("semcom_loopback_channel", numerology.tx_antennas, numerology.rx_antennas)
        self._config, self._numerology, self._seed = config, numerology, seed
        self._continues = continues
        self._channel = SampleChannel(config, numerology, seed)
        self._pending: ComplexArray = np.empty((numerology.rx_antennas, 0), np.complex64)
        self.samples_in = 0
        self.samples_out = 0
        self.set_tag_propagation_policy(gr.TPP_DONT)
        self.set_min_output_buffer(_BUFFER)

    def set_snr_db(self, snr_db: float) -> None:
        """Choose the noise from the next picture on; what is being sent keeps its own.

        Args:
            snr_db: as in the configuration.

        Raises:
            ValueError: an SNR out of range.
        """
        self._config = replace(self._config, snr_db=snr_db)

    def set_cfo_hz(self, cfo_hz: float) -> None:
        """Choose the carrier offset from the next picture on; the phase does not jump.

        Args:
            cfo_hz: as in the configuration.

        Raises:
            ValueError: an offset beyond half the sample rate.
        """
        require_carrier_offset(cfo_hz, self._numerology)
        self._config = replace(self._config, cfo_hz=cfo_hz)

    def forecast(self, noutput_items: int, ninputs: int) -> list[int]:
        # Asking for nothing gets what is pending out after the input has ended.
        return [0 if self._pending.shape[1] else 1] * ninputs

    def process(self, inputs: Arrays, outputs: Arrays) -> int:
        taken = 0
        if self._pending.shape[1] == 0:
            taken = min(_LONGEST_STEP, *(len(samples) for samples in inputs))
            self._pending = self._pass(np.stack([s[:taken] for s in inputs]))
            for port in range(len(inputs)):
                self.consume(port, taken)
        count = min(self._pending.shape[1], len(outputs[0]))
        for output, row in zip(outputs, self._pending, strict=True):
            output[:count] = row[:count]
        self._pending = self._pending[:, count:]
        self.samples_out += count
        self.samples_in += taken
        return count

    def _pass(self, samples: ComplexArray) -> ComplexArray:
        """What the receiver hears of the next samples ``[tx, n]`` of the input."""
        tags = self.get_tags_in_window(0, 0, samples.shape[1], _PICTURE)
        begun = self.nitems_read(0)
        before, *bursts = np.split(samples, [tag.offset - begun for tag in tags], axis=1)
        heard = [self._channel.process(before)]
        for tag, burst in zip(tags, bursts, strict=True):
            if self._continues:
                self._channel.set_snr_db(self._config.snr_db)
                self._channel.set_cfo_hz(self._config.cfo_hz)
            else:
                heard.append(self._channel.flush())
                seed = [self._seed, pmt.to_long(tag.value)]
                self._channel = SampleChannel(self._config, self._numerology, seed)
            heard.append(self._channel.process(burst))
        return np.concatenate(heard, axis=1)

    def drained(self, sent: int, received: int) -> bool:
        """Whether a receiver that took ``received`` samples has all there is of ``sent`` ones."""
        return (
            self.samples_in == sent and self._pending.shape[1] == 0 and self.samples_out == received
        )
