# SPDX-License-Identifier: GPL-3.0-or-later
"""What codec, modem and radio hand each other.

::

    pictures --encode(pictures, state, request)--> Transmission --modulate--> IQ
    IQ --detect, equalise--> Reception --decode--> pictures

A :class:`Transmission` is a list of sections. An :class:`AnalogSection` holds complex symbols
that the modem sends as they are; a :class:`DigitalSection` holds bits that the digital pipe
turns into symbols. The modem sees only symbols. (A :class:`CapacitySection` is a bound, which no
modem carries.) A :class:`Reception` holds, section by
section, what arrived. Nothing but IQ samples joins the two: all that the receiver may know of a
picture is in :class:`PictureHeader`, which travels in every frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

ComplexArray: TypeAlias = NDArray[np.complex64]
FloatArray: TypeAlias = NDArray[np.float32]
BoolArray: TypeAlias = NDArray[np.bool_]
BitArray: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class ChannelState:
    """What the transmitter knows of the channel: possibly stale, possibly nothing.

    Attributes:
        snr_db: Es/N0 per complex symbol in dB, or None where no feedback has come yet.
        csi: channel ``H[subcarriers, rx, tx]`` as fed back (quantised), or None.
        csi_id: number of that feedback; the frame header carries it, so that the receiver,
            which keeps what it sent, inverts the precoder that was really used. 0 means none.
        age_s: age of the feedback in stream time (sample clock) when it is used.
    """

    snr_db: float | None = None
    csi: ComplexArray | None = None
    csi_id: int = 0
    age_s: float = 0.0


@dataclass(frozen=True)
class CodecLabel:
    """Which codec, preset, weights and rate made a picture; four numbers in the frame header.

    Attributes:
        codec: registry number of the codec, 1 to 255.
        preset: registry number of the codec's preset, 0 to 255.
        weights: first four bytes (big endian) of the SHA-256 of the weights file, 0 for none.
        rate: codec-defined rate index (``c`` of ADJSCC, lambda index of NTSCC, ...), 0 to 255.
    """

    codec: int
    preset: int = 0
    weights: int = 0
    rate: int = 0


@dataclass(frozen=True, eq=False)
class AnalogSection:
    """Complex symbols sent as they are.

    Attributes:
        symbols: ``[streams, k]``; mean power one over all symbols of all analogue sections of
            the picture. The modem never renormalises them.
    """

    symbols: ComplexArray

    @property
    def streams(self) -> int:
        return self.symbols.shape[0]

    @property
    def channel_uses(self) -> int:
        return self.symbols.shape[1]


@dataclass(frozen=True, eq=False)
class DigitalSection:
    """Bits sent through the digital pipe (CRC, channel code, QAM).

    Attributes:
        bits: ``[n]`` of 0 and 1.
        mcs: index into :data:`semcom_phy.digital.MCS`, which names modulation and code.
    """

    bits: BitArray
    mcs: int = 0


@dataclass(frozen=True, eq=False)
class CapacitySection:
    """Bits under an ideal code: a bound, not a transmission.

    They arrive if and only if there are no more of them than the channel that they met can carry,
    ``sum log2(1 + 1 / noise_var)`` over the symbols received. Only a symbol-level link knows that
    sum; waveforms refuse such a section.

    Attributes:
        bits: ``[n]`` of 0 and 1.
        channel_uses: complex symbols of a single stream that the code would take.
    """

    bits: BitArray
    channel_uses: int


Section: TypeAlias = AnalogSection | DigitalSection | CapacitySection


@dataclass(frozen=True, eq=False)
class Transmission:
    """One encoded picture.

    Attributes:
        sections: in the order in which the codec wants them back, at most
            :data:`MAX_SECTIONS`.
        height, width: of the picture in pixels, before any padding.
        label: codec, preset, weights and rate.
        notes: what the encoder wants logged of the picture (quality setting, bytes of the stream,
            ...). The receiver never sees them.
        streams: spatial streams on which the symbols of one-stream sections and of bits take
            turns, 1 or 2. Where analogue sections bring several streams, those are used.
    """

    sections: tuple[Section, ...]
    height: int
    width: int
    label: CodecLabel
    notes: Mapping[str, str | float] = field(default_factory=dict)
    streams: int = 1


MAX_SECTIONS = 4
"""Sections a picture may have: the section table of the header is fixed in size."""


@dataclass(frozen=True)
class SectionEntry:
    """A line of the header's section table.

    Attributes:
        digital: digital (bits) or analogue (symbols).
        length: information bits of a digital section; symbols per stream of an analogue one, or
            all of its symbols where they take turns.
        mcs: of a digital section, else 0.
        streams: spatial streams the section is spread over, 1 or 2.
        in_turn: the symbols of an analogue section of one stream take turns on ``streams``, as
            those of digital sections always do.
    """

    digital: bool
    length: int
    mcs: int = 0
    streams: int = 1
    in_turn: bool = False


@dataclass(frozen=True)
class PictureHeader:
    """All that a receiver may know of a picture; every frame carries it.

    Attributes:
        picture: number of the picture in the run, modulo 65536.
        height, width: in pixels.
        label: codec, preset, weights and rate.
        sections: the section table.
    """

    picture: int
    height: int
    width: int
    label: CodecLabel
    sections: tuple[SectionEntry, ...]


@dataclass(frozen=True, eq=False)
class ReceivedAnalog:
    """An analogue section as received.

    Attributes:
        symbols: ``[streams, k]``, unbiased: ``E[y | x] = x``. Zero where erased. A codec that
            wants shrinkage does it itself.
        noise_var: ``[streams, k]``, variance of ``y - x`` after equalisation, channel
            estimation error included. Infinite where erased.
        erased: ``[streams, k]``, True where the frame that carried the symbol was lost.
    """

    symbols: ComplexArray
    noise_var: FloatArray
    erased: BoolArray


@dataclass(frozen=True, eq=False)
class ReceivedDigital:
    """A digital section, or bits under an ideal code, as received.

    Attributes:
        bits: ``[n]`` hard decisions of the channel decoder.
        ok: every CRC holds; where one does not, ``bits`` are a best guess.
        valid_bits: how many of the first bits lie in code blocks whose CRCs hold, all of them up
            to there; ``n`` where ``ok``. A stream of which every beginning can be decoded goes as
            far as that.
        llr: ``[n]`` a-posteriori log-likelihood ratios ``log p(0)/p(1)`` of ``bits`` where the
            decoder has them, else None.
        symbols: ``[k]``, equalised as those of :class:`ReceivedAnalog`, zero where erased, for a
            look at the constellation; None where they were not kept.
    """

    bits: BitArray
    ok: bool
    valid_bits: int
    llr: FloatArray | None = None
    symbols: ComplexArray | None = None


ReceivedSection: TypeAlias = ReceivedAnalog | ReceivedDigital


@dataclass(frozen=True, eq=False)
class Reception:
    """One received picture, before decoding.

    Attributes:
        header: what every frame said of the picture.
        sections: as in the transmission.
        noise_var: mean noise variance over the received symbols of all sections.
        fragments: ``[n]``, True for each frame that arrived.
        frame_snr_db: ``[n]``, Es/N0 of each frame as estimated, NaN for those that did not arrive.
        frame_cfo_hz: ``[n]``, carrier offset of each frame, likewise.
        csi: ``H[subcarriers, rx, tx]`` of the latest frame: estimated, or the true one over a
            symbol-level channel; None where that only adds noise.
        stream_time_s: sample-clock time of the first sample of the picture's latest frame.
    """

    header: PictureHeader
    sections: tuple[ReceivedSection, ...]
    noise_var: float
    fragments: BoolArray = field(default_factory=lambda: np.ones(1, bool))
    frame_snr_db: FloatArray = field(default_factory=lambda: np.full(1, np.nan, np.float32))
    frame_cfo_hz: FloatArray = field(default_factory=lambda: np.full(1, np.nan, np.float32))
    csi: ComplexArray | None = None
    stream_time_s: float = 0.0

    @property
    def snr_db(self) -> float:
        """The scalar SNR given to a codec, see :func:`effective_snr_db`."""
        return effective_snr_db(self.noise_var)


def effective_snr_db(noise_var: FloatArray | float) -> float:
    """The one scalar SNR of a reception: ``-10 log10(mean noise_var)`` over what arrived.

    Args:
        noise_var: noise variance per symbol of unit mean power; erased symbols (infinite)
            are left out.

    Returns:
        SNR in dB; ``-inf`` where nothing arrived.
    """
    values = np.asarray(noise_var, dtype=np.float64)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return float("-inf")
    return float(-10.0 * np.log10(max(float(values.mean()), 1e-20)))


@runtime_checkable
class Precoder(Protocol):
    """Maps streams to transmit antennas, per frame and subcarrier, after resource mapping."""

    def precode(self, x: ComplexArray, csi: ComplexArray | None) -> ComplexArray:
        """Precode a frame's payload.

        Args:
            x: ``[symbols, subcarriers, streams]`` of unit mean power.
            csi: ``H[subcarriers, rx, tx]`` as the transmitter knows it, or None.

        Returns:
            ``[symbols, subcarriers, tx]``, of the same total power as ``x``.
        """
        ...


@runtime_checkable
class Combiner(Protocol):
    """Inverts channel and precoder, per frame and subcarrier."""

    def combine(
        self,
        y: ComplexArray,
        csi_rx: ComplexArray,
        csi_tx: ComplexArray | None,
        noise_cov: ComplexArray,
    ) -> tuple[ComplexArray, FloatArray]:
        """Estimate the streams.

        Args:
            y: ``[symbols, subcarriers, rx]`` as received.
            csi_rx: ``H[subcarriers, rx, tx]`` estimated from this frame.
            csi_tx: the fed-back channel ``[n, rx, tx]`` that the transmitter's precoder used, or
                None. ``csi_rx`` has ``n`` subcarriers, or several times as many: ``n`` of one
                OFDM symbol after the other, where the channel changes within a frame.
            noise_cov: ``[subcarriers, rx, rx]`` covariance ``E[n n^H]`` of the noise, channel
                estimation error included.

        Returns:
            ``x`` as ``[symbols, subcarriers, streams]``, unbiased, and its noise variance
            ``[subcarriers, streams]``.
        """
        ...
