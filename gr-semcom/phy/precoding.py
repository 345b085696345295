# SPDX-License-Identifier: GPL-3.0-or-later
"""Linear precoders and combiners: identity, and SVD with the powers of a rule.

Received on a subcarrier: ``y = H F x + n``, with the precoder's ``F`` ``[tx, streams]``. The
combiners here estimate ``x`` by the linear minimum mean square error filter for ``H F`` and scale
it to be unbiased, ``E[x_hat | x] = x``; for one stream that is maximum-ratio combining, for an
SVD precoder with perfect channel knowledge it is ``Sigma^-1 U^H``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from semcom_phy.exchange import ComplexArray, FloatArray
from semcom_phy.power_allocation import POWER_RULES, PowerRule


@njit(cache=True, nogil=True)
def _detectors(
    effective: NDArray[np.complex128], noise_cov: NDArray[np.complex128]
) -> tuple[NDArray[np.complex64], NDArray[np.float32]]:
    """Unbiased filters ``[subcarriers, streams, rx]``, noise variance ``[subcarriers, streams]``.

    The inverses of matrices of one or two rows are written out.
    """
    carriers, rx, streams = effective.shape
    filters = np.zeros((carriers, streams, rx), np.complex64)
    variance = np.full((carriers, streams), np.inf, np.float32)
    whitened, matched = np.empty((rx, rx), np.complex128), np.empty((streams, rx), np.complex128)
    seen, error = np.empty((streams, streams), np.complex128), np.ones((streams, streams)) + 0j
    for k in range(carriers):
        # A trace of white noise keeps noise that is alike on all antennas, or none, invertible.
        mean = np.trace(noise_cov[k]).real / rx
        white = max(1e-12 * mean, 1e-30)
        if rx == 1:
            whitened[0, 0] = 1 / (noise_cov[k, 0, 0].real + white)
        else:
            first, last = noise_cov[k, 0, 0].real + white, noise_cov[k, 1, 1].real + white
            cross = noise_cov[k, 0, 1]
            rest = first * last - cross.real**2 - cross.imag**2
            scale = 1 / max(rest, 1e-12 * first * last)
            whitened[0, 0], whitened[1, 1] = last * scale, first * scale
            whitened[0, 1], whitened[1, 0] = -cross * scale, -cross.conjugate() * scale
        for s in range(streams):
            for r in range(rx):
                matched[s, r] = 0.0
                for q in range(rx):
                    matched[s, r] += effective[k, q, s].conjugate() * whitened[q, r]
            for t in range(streams):
                seen[s, t] = 0.0
                for r in range(rx):
                    seen[s, t] += matched[s, r] * effective[k, r, t]
        if streams == 1:
            error[0, 0] = 1 / (1 + seen[0, 0].real)
        else:
            one, two, cross = 1 + seen[0, 0].real, 1 + seen[1, 1].real, seen[0, 1]
            # Rounding leaves nothing of it where the streams arrive alike and without noise.
            rest = one * two - cross.real**2 - cross.imag**2
            scale = 1 / max(rest, 1e-12 * one * two)
            error[0, 0], error[1, 1] = two * scale, one * scale
            error[0, 1], error[1, 0] = -cross * scale, -cross.conjugate() * scale
        for s in range(streams):
            left = error[s, s].real
            gain = 1 - left  # of the biased estimate
            if streams == 1:
                gain = seen[0, 0].real * left
            if gain > 1e-12:
                variance[k, s] = left / gain
                for r in range(rx):
                    total = 0.0j
                    for t in range(streams):
                        total += error[s, t] * matched[t, r]
                    filters[k, s, r] = total / gain
    return filters, variance


@njit(cache=True, nogil=True)
def _apply(filters: NDArray[np.complex64], y: NDArray[np.complex64]) -> NDArray[np.complex64]:
    symbols, carriers, rx = y.shape
    streams = filters.shape[1]
    estimate = np.zeros((symbols, carriers, streams), np.complex64)
    for row in range(symbols):
        for k in range(carriers):
            for s in range(streams):
                for r in range(rx):
                    estimate[row, k, s] += filters[k, s, r] * y[row, k, r]
    return estimate


def unbiased_mmse(
    y: ComplexArray,
    effective: NDArray[np.complexfloating[Any, Any]],
    noise_cov: NDArray[np.complexfloating[Any, Any]],
) -> tuple[ComplexArray, FloatArray]:
    """Unbiased linear MMSE estimate of one or two streams of unit power.

    With ``A = H^H R^-1 H`` (``R`` the noise covariance), the MMSE error covariance is
    ``(I + A)^-1``, and the SNR of stream ``i`` after unbiased detection is
    ``1 / [(I + A)^-1]_ii - 1``.

    Args:
        y: ``[symbols, subcarriers, rx]``, of one or two antennas.
        effective: ``[subcarriers, rx, streams]``, channel times precoder.
        noise_cov: ``[subcarriers, rx, rx]``, Hermitian.

    Returns:
        ``[symbols, subcarriers, streams]`` and noise variance ``[subcarriers, streams]``;
        a stream that nothing was received of is zero with infinite variance.

    Raises:
        ValueError: more than two antennas or streams.
    """
    if max(effective.shape[1:]) > 2:
        raise ValueError(
            f"{effective.shape[1]} antennas and {effective.shape[2]} streams asked; 1 or 2 are "
            "supported"
        )
    filters, variance = _detectors(
        np.ascontiguousarray(effective, np.complex128),
        np.ascontiguousarray(noise_cov, np.complex128),
    )
    return _apply(filters, np.ascontiguousarray(y, np.complex64)), variance


@dataclass(frozen=True)
class IdentityPrecoder:
    """Stream ``i`` goes to antenna ``i``.

    Attributes:
        tx_antennas: of the transmitter; those without a stream stay silent.
    """

    tx_antennas: int = 1

    def precode(self, x: ComplexArray, csi: ComplexArray | None) -> ComplexArray:
        """See :meth:`semcom_phy.exchange.Precoder.precode`.

        Raises:
            ValueError: more streams than antennas.
        """
        streams = x.shape[2]
        if streams > self.tx_antennas:
            raise ValueError(f"{streams} streams do not fit {self.tx_antennas} transmit antennas")
        if streams == self.tx_antennas:
            return x
        return np.pad(x, ((0, 0), (0, 0), (0, self.tx_antennas - streams)))


@dataclass(frozen=True)
class IdentityCombiner:
    """Unbiased MMSE detection of the streams of :class:`IdentityPrecoder`.

    Attributes:
        streams: sent by the transmitter.
    """

    streams: int = 1

    def combine(
        self,
        y: ComplexArray,
        csi_rx: ComplexArray,
        csi_tx: ComplexArray | None,
        noise_cov: ComplexArray,
    ) -> tuple[ComplexArray, FloatArray]:
        """See :meth:`semcom_phy.exchange.Combiner.combine`."""
        return unbiased_mmse(y, csi_rx[..., : self.streams], noise_cov)


class StreamScheme(Protocol):
    """What both ends of a precoded link agree on."""

    @property
    def streams(self) -> int:
        """Spatial streams."""
        ...

    def send(
        self, x: NDArray[np.complexfloating[Any, Any]], csi: ComplexArray | None
    ) -> NDArray[np.complexfloating[Any, Any]]:
        """What antennas send, ``[subcarriers, n, tx]``, for ``x[subcarriers, n, streams]``."""
        ...


@dataclass(frozen=True)
class SchemePrecoder:
    """Sends streams as a scheme says.

    Attributes:
        scheme: shared with the combiner.
    """

    scheme: StreamScheme

    def precode(self, x: ComplexArray, csi: ComplexArray | None) -> ComplexArray:
        """See :meth:`semcom_phy.exchange.Precoder.precode`.

        Raises:
            ValueError: streams or channel do not fit the scheme.
        """
        if x.shape[2] != self.scheme.streams:
            raise ValueError(f"{x.shape[2]} streams given, the scheme has {self.scheme.streams}")
        sent = self.scheme.send(x.transpose(1, 0, 2), csi)
        return np.ascontiguousarray(sent.transpose(1, 0, 2), dtype=np.complex64)


@dataclass(frozen=True)
class SvdScheme:
    """Streams along the right singular vectors of the channel: ``F = V diag(sqrt(p))``.

    With powers by water-filling: Telatar, "Capacity of multi-antenna Gaussian channels", Eur.
    Trans. Telecommun. 10(6), 1999.

    Attributes:
        streams: spatial streams.
        tx_antennas: of the transmitter.
        powers: how a subcarrier's power, as many as there are streams, is shared among them.
        snr_db: Es/N0 behind a path of unit gain that ``powers`` are for: 0 where the channel is
            in units of the noise, as :mod:`semcom_phy.csi_feedback` feeds it back.

    Raises:
        ValueError: more streams than antennas, or no such rule.
    """

    streams: int = 2
    tx_antennas: int = 2
    powers: PowerRule = "equal"
    snr_db: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.streams <= self.tx_antennas:
            raise ValueError(
                f"{self.streams} streams asked over {self.tx_antennas} transmit antennas; "
                "choose 1 to the number of antennas"
            )
        if self.powers not in POWER_RULES:
            raise ValueError(f"no rule {self.powers!r}, choose one of: {', '.join(POWER_RULES)}")

    def matrices(self, csi: ComplexArray | None, subcarriers: int) -> ComplexArray:
        """Precoding matrices ``F[subcarriers, tx, streams]``, ``|F|^2 = streams``.

        Args:
            csi: ``H[subcarriers, rx, tx]``; None gives the identity.
            subcarriers: how many, where ``csi`` is None.

        Raises:
            ValueError: a channel of another number of antennas, or with fewer receive antennas
                than streams.
        """
        if csi is None:
            identity = np.eye(self.tx_antennas, self.streams, dtype=np.complex64)
            return np.broadcast_to(identity, (subcarriers, *identity.shape))
        if csi.shape[2] != self.tx_antennas or csi.shape[1] < self.streams:
            raise ValueError(
                f"channel of {csi.shape[1]} receive and {csi.shape[2]} transmit antennas does "
                f"not carry {self.streams} streams from {self.tx_antennas} antennas"
            )
        return _matrices(self, csi.shape, csi.astype(np.complex64, copy=False).tobytes())

    def send(
        self, x: NDArray[np.complexfloating[Any, Any]], csi: ComplexArray | None
    ) -> NDArray[np.complexfloating[Any, Any]]:
        """See :meth:`StreamScheme.send`."""
        return np.matmul(x, self.matrices(csi, x.shape[0]).transpose(0, 2, 1))


@lru_cache(maxsize=8)
def _matrices(scheme: SvdScheme, shape: tuple[int, int, int], channel: bytes) -> ComplexArray:
    """For the frames of a picture, which have one channel, but once."""
    csi = np.frombuffer(channel, np.complex64).reshape(shape)
    _, values, right = np.linalg.svd(csi, full_matrices=False)
    # Singular vectors are unique but for a phase, in which libraries differ: the first
    # antenna's is taken as zero, so that both ends find the same matrices.
    right = right * np.exp(-1j * np.angle(right[:, :, :1]))
    directions = right[:, : scheme.streams].conj().transpose(0, 2, 1)
    gains = values[:, : scheme.streams].astype(np.float64) ** 2 * 10 ** (scheme.snr_db / 10)
    powers = POWER_RULES[scheme.powers](gains, float(scheme.streams))
    matrices = np.ascontiguousarray(directions * np.sqrt(powers)[:, None, :], dtype=np.complex64)
    matrices.setflags(write=False)
    return matrices


@dataclass(frozen=True)
class SvdPrecoder(SchemePrecoder):
    """Sends streams along the right singular vectors of the channel."""

    scheme: SvdScheme = SvdScheme()


@dataclass(frozen=True)
class SvdCombiner:
    """Inverts channel and precoder, stale or not: unbiased MMSE for ``H_rx F(csi_tx)``.

    Attributes:
        scheme: shared with the precoder.
    """

    scheme: SvdScheme = SvdScheme()

    def combine(
        self,
        y: ComplexArray,
        csi_rx: ComplexArray,
        csi_tx: ComplexArray | None,
        noise_cov: ComplexArray,
    ) -> tuple[ComplexArray, FloatArray]:
        """See :meth:`semcom_phy.exchange.Combiner.combine`."""
        matrices = over_cells(self.scheme.matrices(csi_tx, csi_rx.shape[0]), csi_rx)
        return unbiased_mmse(y, csi_rx @ matrices, noise_cov)


def over_cells(
    matrices: NDArray[np.complexfloating[Any, Any]], csi_rx: ComplexArray
) -> NDArray[np.complexfloating[Any, Any]]:
    """Matrices of subcarriers, repeated for the cells of several OFDM symbols."""
    symbols = csi_rx.shape[0] // matrices.shape[0]
    return matrices if symbols == 1 else np.tile(matrices, (symbols, 1, 1))
