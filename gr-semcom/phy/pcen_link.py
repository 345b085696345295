# SPDX-License-Identifier: GPL-3.0-or-later
"""PCEN between modulator and receiver: what both ends compute of the channel that was fed back.

PEN is not linear, so that its output depends on which symbols are sent. Both ends know the
alphabet: each works out what is sent for every symbol vector there is, and from that the power
and the moments that eq. (12) asks for. Nothing about them needs to be sent or learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray, FloatArray
from semcom_phy.pcen import enhance, lmmse, moments, nearest_level, power_scale
from semcom_phy.pcen_parameters import NOTHING_LEARNED, PcenParameters
from semcom_phy.power_allocation import PowerRule
from semcom_phy.precoding import SchemePrecoder, SvdScheme, over_cells, unbiased_mmse
from semcom_phy.precoding_codebook import choose_rotation
from semcom_phy.qam import BITS_PER_SYMBOL, constellation


@dataclass(frozen=True)
class PcenScheme:
    """What both ends of a PCEN link agree on; precoder and combiner are made of it.

    It is made for digital sections of one modulation. Other symbols pass too, with less power
    or more and with more distortion than announced.

    Attributes:
        modulation: ``QPSK``, ``16QAM``, ``64QAM`` or ``256QAM``.
        snr_db: Es/N0 behind a path of unit gain that powers, rotation and PEN are designed for: 0
            where the channel is in units of the noise, as :mod:`semcom_phy.csi_feedback` feeds it
            back.
        parameters: what was learned; the default is the standard precoder,
            ``V1 Lambda Vg^H`` (eq. 9), with its MMSE combiner.
        streams: spatial streams.
        tx_antennas: of the transmitter.
        powers: of the standard precoder's eigenmodes.
    """

    modulation: str = "QPSK"
    snr_db: float = 10.0
    parameters: PcenParameters = NOTHING_LEARNED
    streams: int = 2
    tx_antennas: int = 2
    powers: PowerRule = "water-filling"

    def __post_init__(self) -> None:
        if BITS_PER_SYMBOL.get(self.modulation, 1) < 2:
            known = ", ".join(name for name, bits in BITS_PER_SYMBOL.items() if bits > 1)
            raise ValueError(
                f"PCEN precodes square constellations ({known}), not {self.modulation}"
            )
        if not np.isfinite(self.snr_db):
            raise ValueError(f"snr_db is {self.snr_db}; it must be a finite number")
        SvdScheme(self.streams, self.tx_antennas, self.powers)

    @cached_property
    def alphabet(self) -> NDArray[np.complex128]:
        """Symbol vectors ``[n, streams]``, one of each four that differ by quarter turns.

        Square constellations do not change by quarter turns, and neither do the moments of
        vectors that turn as a whole, which PEN turns with them.
        """
        points = constellation(BITS_PER_SYMBOL[self.modulation]).astype(np.complex128)
        quadrant = points[(points.real > 0) & (points.imag > 0)]
        grids = np.meshgrid(quadrant, *[points] * (self.streams - 1), indexing="ij")
        return np.stack(grids, axis=-1).reshape(-1, self.streams)

    def matrices(self, csi: ComplexArray | None, subcarriers: int) -> NDArray[np.complex128]:
        """The standard precoder ``F = V1 Lambda Vg^H``, ``[subcarriers, tx, streams]``.

        Args:
            csi: ``H[subcarriers, rx, tx]``; None gives the identity.
            subcarriers: how many, where ``csi`` is None.

        Raises:
            ValueError: the channel does not fit the scheme.
        """
        svd = SvdScheme(self.streams, self.tx_antennas, self.powers, self.snr_db)
        modes = svd.matrices(csi, subcarriers).astype(np.complex128)
        if csi is None:
            return modes
        snrs = np.sum(np.abs(csi @ modes) ** 2, axis=1) * 10 ** (self.snr_db / 10)
        rotation = choose_rotation(snrs, BITS_PER_SYMBOL[self.modulation])
        return modes @ rotation.conj().transpose(0, 2, 1)

    def send(
        self, x_e: NDArray[np.complexfloating], csi: ComplexArray | None
    ) -> NDArray[np.complex128]:
        """Precode symbol vectors.

        Args:
            x_e: ``[subcarriers, n, streams]``, or ``[1, n, streams]`` for the same everywhere.
            csi: as the transmitter knows it.

        Returns:
            ``z[subcarriers, n, tx]``, of mean power ``streams`` over the alphabet.
        """
        if csi is None or not self.parameters.gamma:
            return x_e @ self.matrices(csi, x_e.shape[0]).transpose(0, 2, 1)
        precoder, scale, _, _ = _design(self, csi.shape, csi.astype(np.complex64).tobytes())
        return scale * self._enhance(x_e, csi, precoder)

    def _enhance(
        self,
        x_e: NDArray[np.complexfloating],
        csi: ComplexArray,
        precoder: NDArray[np.complex128],
    ) -> NDArray[np.complex128]:
        channel = csi.astype(np.complex128)
        levels = 2 ** (BITS_PER_SYMBOL[self.modulation] // 2)
        project = partial(
            nearest_level, per_quadrature=levels, spacing=level_spacing(self.modulation)
        )
        equalised = equalised_channel(channel, precoder, 10 ** (-self.snr_db / 10))
        x_p = x_e @ precoder.transpose(0, 2, 1)
        learned = self.parameters
        z: NDArray[np.complex128] = enhance(x_p, equalised, learned.gamma, learned.alpha, project)
        return z

    def moments(
        self, csi: ComplexArray | None, subcarriers: int
    ) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
        """Linear part ``B[subcarriers, tx, streams]`` of what is sent, covariance of the rest.

        See :func:`semcom_phy.pcen.moments`.
        """
        if csi is None or not self.parameters.gamma:
            linear = self.matrices(csi, subcarriers)
            return linear, np.zeros((subcarriers, self.tx_antennas, self.tx_antennas), complex)
        _, _, linear, rest = _design(self, csi.shape, csi.astype(np.complex64).tobytes())
        return linear, rest


@lru_cache(maxsize=8)
def _design(
    scheme: PcenScheme, shape: tuple[int, int, int], channel: bytes
) -> tuple[NDArray[np.complex128], ...]:
    """Standard precoder, power scale and moments, once for the frames of a picture."""
    csi = np.frombuffer(channel, np.complex64).reshape(shape)
    precoder = scheme.matrices(csi, shape[0])
    sent = scheme._enhance(scheme.alphabet[None], csi, precoder)
    scale = power_scale(sent, scheme.streams)
    return precoder, scale, *moments(scale * sent, scheme.alphabet)


def level_spacing(modulation: str) -> float:
    """Distance between neighbouring levels of a quadrature, at unit mean power."""
    levels = np.unique(constellation(BITS_PER_SYMBOL[modulation]).real)
    return float(levels[1] - levels[0])


def equalised_channel(
    channel: NDArray[np.complex128], precoder: NDArray[np.complex128], noise_var: float
) -> NDArray[np.complex128]:
    """``U2 H[subcarriers, tx, tx]`` of the standard precoder, from which PEN's iteration starts."""
    covariance = precoder @ precoder.conj().transpose(0, 2, 1)
    noise = noise_var * np.eye(channel.shape[1])
    combiner: NDArray[np.complex128] = lmmse(channel, covariance, covariance, noise)
    return combiner @ channel


@dataclass(frozen=True)
class PcenPrecoder(SchemePrecoder):
    """Standard precoder and PEN; the power is kept on average over the alphabet."""

    scheme: PcenScheme = PcenScheme()


@dataclass(frozen=True)
class PcenCombiner:
    """CEN and the inversion of the standard precoder, in one filter a subcarrier.

    CEN's LMMSE estimate of ``x_p``, multiplied by ``F^-1``, is the LMMSE estimate of ``x_e``:
    both are ``E[. z^H] H^H (H E[z z^H] H^H + R)^-1 y``. Where water-filling silences an eigenmode,
    ``F`` has no inverse and the estimate of ``x_e`` still is the best linear one.

    Attributes:
        scheme: shared with the precoder.
    """

    scheme: PcenScheme = PcenScheme()

    def combine(
        self,
        y: ComplexArray,
        csi_rx: ComplexArray,
        csi_tx: ComplexArray | None,
        noise_cov: NDArray[np.complexfloating],
    ) -> tuple[ComplexArray, FloatArray]:
        """See :meth:`semcom_phy.exchange.Combiner.combine`."""
        correction = self.scheme.parameters.correction
        linear, rest = self.scheme.moments(csi_tx, csi_rx.shape[0])
        linear, rest = over_cells(linear, csi_rx), over_cells(rest, csi_rx)
        strength = np.maximum(np.sum(np.abs(csi_rx) ** 2, axis=(1, 2)), 1e-30)
        ratio = np.trace(noise_cov, axis1=1, axis2=2).real / strength
        channel = csi_rx / (1 + correction.shrinkage * ratio)[:, None, None]
        distortion = channel @ rest @ channel.conj().transpose(0, 2, 1)
        disturbance = correction.noise * noise_cov + correction.distortion * distortion
        return unbiased_mmse(y, (channel @ linear).astype(np.complex64), disturbance)
