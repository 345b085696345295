# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run needs of a link, whatever carries it: a symbol-level channel or a flowgraph.

A run encodes a picture, sends it, and receives it or learns that it is lost; it need not know
whether the symbols crossed a matrix product or GNU Radio and a pair of antennas.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from semcom_phy.exchange import ChannelState, FloatArray, Reception, Transmission


@dataclass
class LinkStats:
    """What a link has carried so far.

    Attributes:
        frames_sent: frames handed to the channel.
        frames_received: frames that arrived of the pictures received.
        samples: samples sent per antenna, cyclic prefixes, preambles, pilots, headers and the
            guard around every picture included; divided by the source dimensions it is the
            air CBR. Channel uses where the link has no waveform.
        seconds: wall-clock seconds spent between ``send`` and the end of ``receive``.
        stream_time_s: sample-clock time at which the next picture is sent.
        radio_s: sample-clock time of the radio: in a simulation that of the samples sent, silence
            counted; a device's goes on while nothing is sent.
        radio_events: what went wrong in the radio, by kind, how often; None where there is none.
    """

    frames_sent: int = 0
    frames_received: int = 0
    samples: int = 0
    seconds: float = 0.0
    stream_time_s: float = 0.0
    radio_s: float = 0.0
    radio_events: dict[str, int] | None = None

    @property
    def frames_lost(self) -> int:
        """Frames sent of which nothing was received."""
        return max(0, self.frames_sent - self.frames_received)


@runtime_checkable
class Link(AbstractContextManager["Link"], Protocol):
    """Carries transmissions one after the other; a context manager that closes itself."""

    @property
    def stats(self) -> LinkStats:
        """What was carried so far; a snapshot."""
        ...

    def send(self, picture: int, transmission: Transmission, state: ChannelState) -> None:
        """Send one picture.

        Args:
            picture: number of the picture in the run; the header carries it modulo 65536.
            transmission: what the codec made of it.
            state: what the transmitter knows of the channel; a precoder uses its CSI.

        Raises:
            ValueError: the transmission does not fit into frames.
            RuntimeError: the link has failed or is closed.
        """
        ...

    def receive(self, timeout_s: float = 60.0) -> Reception | None:
        """The reception of the oldest picture sent and not yet received.

        Args:
            timeout_s: wall-clock seconds after which a link that makes no progress is given up.

        Returns:
            The reception, or None where no frame of the picture arrived. That is decided in
            stream time, as soon as nothing of the picture can arrive any more.

        Raises:
            RuntimeError: no picture is on its way, or the link has failed or is closed.
            TimeoutError: neither a reception nor the end of the stream within ``timeout_s``.
        """
        ...

    def close(self) -> None:
        """Release everything; safe to call twice."""
        ...


@runtime_checkable
class SimulatedLink(Link, Protocol):
    """A link whose channel is simulated, so that its noise can be chosen picture by picture."""

    def set_snr_db(self, snr_db: float) -> None:
        """Choose the noise of the pictures that are sent from now on.

        Args:
            snr_db: Es/N0 per complex symbol of unit power.

        Raises:
            ValueError: an SNR out of range, or a radio with a channel of its own.
            RuntimeError: a picture is on its way over a link that cannot change meanwhile.
        """
        ...


@dataclass(frozen=True, eq=False)
class Spectra:
    """Power densities of a link's samples, in their square per Hz.

    Attributes:
        sent: ``[tx, bins]``, frequencies in ascending order, the lowest ``-sample_rate / 2``;
            None where too few samples were sent for an estimate, or by another program.
        received: ``[rx, bins]``, likewise.
    """

    sent: FloatArray | None
    received: FloatArray | None


@runtime_checkable
class HasSpectra(Protocol):
    """A link, or half of one, that has samples and estimates their spectra."""

    def spectra(self) -> Spectra:
        """Spectra of the samples that came since this was last asked, as far as seen by now."""
        ...
