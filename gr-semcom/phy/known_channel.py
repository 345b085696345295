# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames over a channel that the receiver knows: what any estimate of it is measured against."""

from __future__ import annotations

import math

import numpy as np

from semcom_phy.awgn import add_noise
from semcom_phy.equalisation import separate_streams
from semcom_phy.exchange import Combiner, ComplexArray, Precoder
from semcom_phy.fragments import Frame, ReceivedFrame
from semcom_phy.frequency_response import frequency_response
from semcom_phy.numerology import Numerology
from semcom_phy.payload_cells import from_cells, to_cells
from semcom_phy.precoding import IdentityCombiner, IdentityPrecoder
from semcom_phy.tap_process import TapProcess


class KnownChannel:
    """A realisation of a channel between a transmitter and a receiver that need no preamble.

    On every cell of a frame's payload ``y = H F x + n``, with the channel ``H`` of the cell's time
    and carrier, the precoder's ``F`` and white noise of known variance. The streams are estimated
    as the waveform's receiver does, from the true ``H`` in place of an estimate.

    Args:
        process: the channel.
        numerology: of the waveform, which decides where and when cells are sent.
        precoder: None sends stream ``i`` on antenna ``i``.
        combiner: None for unbiased linear MMSE detection of streams that were not precoded.
    """

    def __init__(
        self,
        process: TapProcess,
        numerology: Numerology,
        precoder: Precoder | None = None,
        combiner: Combiner | None = None,
    ) -> None:
        self._process, self._numerology = process, numerology
        self._precoder = precoder or IdentityPrecoder(numerology.tx_antennas)
        self._combiner = combiner

    def carry(
        self,
        frame: Frame,
        start_sample: int,
        noise_var: float,
        csi: ComplexArray | None,
        rng: np.random.Generator,
    ) -> ReceivedFrame:
        """Send a frame and receive it.

        Args:
            frame: to send.
            start_sample: of the frame, counted from where the channel begins.
            noise_var: per complex symbol and receive antenna.
            csi: ``H[active carriers, rx, tx]`` as known to the transmitter, and to the receiver
                as what the transmitter went by; None for none.
            rng: of the noise.

        Returns:
            The frame with symbols, their noise variance and the channel of its last OFDM symbol.
        """
        numerology = self._numerology
        rows, count = numerology.data_rows, frame.payload.shape[1]
        told = None if csi is None else csi[rows]
        sent = self._precoder.precode(to_cells(frame.payload, numerology), told)
        before = numerology.training_symbols + numerology.header_ofdm_symbols
        begin = start_sample + before * numerology.samples_per_symbol
        response = frequency_response(self._process, begin, sent.shape[0], numerology)
        channel = response[:, rows]
        received = add_noise(np.matmul(channel, sent[..., None])[..., 0], noise_var, rng)
        variance = np.full((channel.shape[0], *received.shape[1:]), noise_var)
        combiner = self._combiner or IdentityCombiner(frame.payload.shape[0])
        cells, cell_var = separate_streams(received, channel, variance, combiner, told)
        payload, payload_var = from_cells(cells, cell_var, count, numerology)
        power = float(np.mean(np.abs(response) ** 2, dtype=np.float64))
        return ReceivedFrame(
            header=frame.header,
            payload=payload,
            noise_var=payload_var,
            csi=response[-1].copy(),
            snr_db=10 * math.log10(max(power, 1e-30) / noise_var),
            cfo_hz=math.nan,
            start_sample=start_sample,
            sample_rate=numerology.sample_rate,
        )
