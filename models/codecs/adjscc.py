# SPDX-License-Identifier: GPL-3.0-or-later
"""ADJSCC and BDJSCC.

J. Xu, B. Ai, W. Chen, A. Yang, P. Sun, M. Rodrigues, "Wireless Image Transmission Using Deep
Source Channel Coding With Attention Modules", IEEE TCSVT 32(4), 2022. One network serves all
SNRs: attention feature (AF) modules driven by the fed-back SNR follow every feature learning
(FL) module but the last (Fig. 5). BDJSCC is the same network without AF modules (Fig. 4).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from semcom_models.channels import told_snr_db
from semcom_models.codecs.adjscc_start import start_linear
from semcom_models.codecs.base import Codec, Request
from semcom_models.codecs.presets import PresetInfo
from semcom_models.codecs.registry import label_of
from semcom_models.codecs.weights import BadWeights, load_weights, read_info
from semcom_models.layers.attention_feature import AttentionFeature
from semcom_models.layers.gdn import GDN
from semcom_models.layers.strips import (
    STRIP_PIXELS,
    allocate_output,
    convolve_rows,
    strips_of,
)
from semcom_phy.exchange import (
    AnalogSection,
    ChannelState,
    CodecLabel,
    ReceivedAnalog,
    Reception,
    Transmission,
)

Channel = Callable[[Tensor], tuple[Tensor, Tensor]]

HOPELESS_NOISE_VAR = 4.0
"""Noise variance beyond which a symbol of unit power is taken as lost: 6 dB worse than the worst
mean that networks are trained for. One carrier in a deep fade would else outweigh all others."""

DOWNSAMPLING = 4
"""Pictures are padded to a multiple of this on both sides."""


@dataclass(frozen=True)
class Architecture:
    """Sizes of an ADJSCC or BDJSCC network.

    Attributes:
        channels: ``c``, real feature maps of the codeword at a quarter of the resolution;
            the bandwidth ratio is ``R = c / 96`` complex channel uses per source dimension.
        filters: filters of every inner layer; 256 in the paper.
        attention: AF modules (ADJSCC) or none (BDJSCC).
    """

    channels: int = 16
    filters: int = 256
    attention: bool = True

    def __post_init__(self) -> None:
        if self.channels < 1 or self.filters < 1:
            raise ValueError("channels and filters of an ADJSCC network must be at least 1")

    @property
    def cbr(self) -> float:
        """Channel bandwidth ratio R of pictures whose sides are multiples of four."""
        return self.channels / 96

    def metadata(self) -> dict[str, str]:
        """The sizes as text, as they stand in a weights file."""
        return {key: str(int(value)) for key, value in asdict(self).items()}


class FeatureLearning(nn.Module):
    """FL module: (transposed) convolution, GDN or IGDN, activation (Figs. 4 and 5)."""

    conv: nn.Conv2d | nn.ConvTranspose2d
    norm: GDN
    activation: nn.Module

    def __init__(self, conv: nn.Conv2d | nn.ConvTranspose2d, activation: nn.Module | None) -> None:
        super().__init__()
        self.conv = conv
        self.norm = GDN(conv.out_channels, inverse=isinstance(conv, nn.ConvTranspose2d))
        self.activation = activation if activation is not None else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.conv(x)))


class _Transform(nn.Module):
    """FL modules with an AF module after each but the last."""

    def __init__(self, layers: Sequence[FeatureLearning], attention: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        widths = [layer.conv.out_channels for layer in layers[:-1]] if attention else []
        self.attention = nn.ModuleList(AttentionFeature(width) for width in widths)

    def forward(self, x: Tensor, snr_db: Tensor) -> Tensor:
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index < len(self.attention):
                x = self.attention[index](x, snr_db)
        return x

    @property
    def convolutions(self) -> list[nn.Conv2d | nn.ConvTranspose2d]:
        """Those of the FL modules, in order."""
        return [cast(FeatureLearning, layer).conv for layer in self.layers]

    @torch.no_grad()
    def in_strips(self, x: Tensor, snr_db: Tensor, pixels: int = STRIP_PIXELS) -> Tensor:
        """``forward`` in bounded memory, without gradients.

        Layer by layer: all strips of a layer first, then the channel means of the whole, which the
        AF module wants. No more than two layers' features are held.
        """
        for index, conv in enumerate(self.convolutions):
            layer = cast(FeatureLearning, self.layers[index])
            out = allocate_output(conv, x)
            for rows in strips_of(conv, x, pixels):
                part = convolve_rows(conv, x, rows)
                out[:, :, rows.start : rows.stop] = layer.activation(layer.norm(part))
            x = out
            if index < len(self.attention):
                attention = cast(AttentionFeature, self.attention[index])
                factors = attention.factors(x.mean((2, 3)), snr_db)
                x *= factors[:, :, None, None]
        return x


def _encoder(size: Architecture) -> _Transform:
    n, c = size.filters, size.channels
    convs = (
        nn.Conv2d(3, n, 9, stride=2, padding=4),
        nn.Conv2d(n, n, 5, stride=2, padding=2),
        nn.Conv2d(n, n, 5, padding=2),
        nn.Conv2d(n, n, 5, padding=2),
        nn.Conv2d(n, c, 5, padding=2),
    )
    activations = [nn.PReLU(n, init=1.0) for _ in range(4)] + [None]
    pairs = zip(convs, activations, strict=True)
    return _Transform([FeatureLearning(conv, act) for conv, act in pairs], size.attention)


def _decoder(size: Architecture) -> _Transform:
    n, c = size.filters, size.channels
    convs = (
        nn.ConvTranspose2d(c, n, 5, padding=2),
        nn.ConvTranspose2d(n, n, 5, padding=2),
        nn.ConvTranspose2d(n, n, 5, padding=2),
        nn.ConvTranspose2d(n, n, 5, stride=2, padding=2, output_padding=1),
        nn.ConvTranspose2d(n, 3, 9, stride=2, padding=4, output_padding=1),
    )
    activations: list[nn.Module] = [nn.PReLU(n, init=1.0) for _ in range(4)]
    pairs = zip(convs, [*activations, nn.Sigmoid()], strict=True)
    return _Transform([FeatureLearning(conv, act) for conv, act in pairs], size.attention)


class ADJSCC(nn.Module):
    """The pair of networks; BDJSCC when ``size.attention`` is false.

    Pictures are ``[B, 3, H, W]`` in [0, 1] with sides that are multiples of four; codewords
    are complex ``[B, k]`` with ``k = c H W / 32`` (the real feature maps, flattened: first half
    real, second half imaginary part) of unit mean power for every picture.
    """

    def __init__(self, size: Architecture) -> None:
        super().__init__()
        self.size = size
        self.encoder = _encoder(size)
        self.decoder = _decoder(size)
        start_linear(self)

    def encode(self, images: Tensor, snr_db: Tensor) -> Tensor:
        """Codewords ``[B, k]`` for pictures and SNRs ``[B]`` in dB, eq. (1)."""
        return to_codeword(self.encoder(images, snr_db))

    def decode(self, codewords: Tensor, snr_db: Tensor, height: int, width: int) -> Tensor:
        """Pictures ``[B, 3, height, width]`` from received codewords, eq. (4)."""
        return self.decoder(self.to_features(codewords, height, width), snr_db)

    def forward(self, images: Tensor, snr_db: Tensor, channel: Channel) -> Tensor:
        """Pictures through encoder, channel and decoder, eq. (4).

        Args:
            images: ``[B, 3, H, W]``.
            snr_db: ``[B]``, known to the encoder.
            channel: maps codewords to what arrives and the SNRs ``[B]`` that the decoder is told.
        """
        received, told_db = channel(self.encode(images, snr_db))
        return self.decode(received, told_db, images.shape[2], images.shape[3])

    def to_features(self, codewords: Tensor, height: int, width: int) -> Tensor:
        """Real feature maps ``[B, c, height/4, width/4]`` of received codewords."""
        rows, columns = height // DOWNSAMPLING, width // DOWNSAMPLING
        flat = torch.cat((codewords.real, codewords.imag), dim=1)
        return flat[:, : self.size.channels * rows * columns].reshape(
            -1, self.size.channels, rows, columns
        )


def channels_last(network: ADJSCC) -> ADJSCC:
    """The network with its kernels in the memory format that convolutions are fastest in."""
    for conv in (*network.encoder.convolutions, *network.decoder.convolutions):
        conv.weight.data = conv.weight.data.contiguous(memory_format=torch.channels_last)
    return network


def to_codeword(features: Tensor) -> Tensor:
    """Complex codewords ``[B, k]`` of unit mean power from feature maps ``[B, c, h, w]``.

    ``z = sqrt(k) f / ||f||`` for every picture by itself. An odd number of real values gets one
    zero; feature maps that are all zero stay zero.
    """
    flat = features.contiguous().flatten(1).float()
    if flat.shape[1] % 2:
        flat = F.pad(flat, (0, 1))
    half = flat.shape[1] // 2
    scale = half**0.5 / torch.linalg.vector_norm(flat, dim=1, keepdim=True).clamp_min(1e-12)
    flat = flat * scale
    return torch.complex(flat[:, :half], flat[:, half:])


class ADJSCCCodec(Codec):
    """ADJSCC or BDJSCC for pictures of any size over any link.

    Pictures are padded to multiples of four by repeating their edges; the padding is sent, counted
    and cut off again. Each picture's codeword is one analogue section of one stream.

    Args:
        network: with trained weights.
        label: of the preset.
        trained_db: lowest and highest SNR of the training; the networks are told the nearest SNR
            within it.
    """

    def __init__(self, network: ADJSCC, label: CodecLabel, trained_db: tuple[float, float]) -> None:
        self.network = channels_last(network).eval()
        self.label = label
        self.trained_db = trained_db

    def encode(
        self, images: Sequence[Tensor], state: ChannelState, request: Request | None = None
    ) -> list[Transmission]:
        """See :meth:`Codec.encode`; a ``state`` without SNR counts as the middle of training."""
        low, high = self.trained_db
        snr_db = self._told((low + high) / 2 if state.snr_db is None else state.snr_db)
        return [self._encode(image, snr_db) for image in images]

    def _encode(self, image: Tensor, snr_db: Tensor) -> Transmission:
        if image.ndim != 3 or image.shape[0] != 3 or not image.numel():
            raise ValueError(f"a picture is [3, H, W], not {list(image.shape)}")
        if not bool(torch.isfinite(image).all()):
            raise ValueError("a picture has pixels that are no finite numbers")
        height, width = image.shape[1:]
        padding = (0, -width % DOWNSAMPLING, 0, -height % DOWNSAMPLING)
        padded = F.pad(image[None], padding, mode="replicate")
        features = self.network.encoder.in_strips(padded, snr_db)
        symbols = to_codeword(features).numpy()
        return Transmission((AnalogSection(symbols),), height, width, self.label)

    def decode(self, receptions: Sequence[Reception]) -> list[Tensor]:
        """See :meth:`Codec.decode`.

        Symbols that are lost, no numbers, or far noisier than any that training knew
        (:data:`HOPELESS_NOISE_VAR`) are set to zero, and the SNR that the network is told counts
        them as wrong by their own power (:func:`semcom_models.channels.told_snr_db`).

        Raises:
            ValueError: a header whose section is not that of an ADJSCC picture of its size.
        """
        return [self._decode(reception) for reception in receptions]

    def _decode(self, reception: Reception) -> Tensor:
        height, width = reception.header.height, reception.header.width
        rows, columns = height + -height % DOWNSAMPLING, width + -width % DOWNSAMPLING
        values = self.network.size.channels * rows * columns // DOWNSAMPLING**2
        section = reception.sections[0] if len(reception.sections) == 1 else None
        if not isinstance(section, ReceivedAnalog) or section.symbols.size != (values + 1) // 2:
            raise ValueError(
                f"the header says {width}x{height} pixels, but its sections are not those of "
                f"an ADJSCC picture of {self.network.size.channels} feature maps"
            )
        symbols, noise_var, lost = (
            torch.from_numpy(part.reshape(1, -1))
            for part in (section.symbols, section.noise_var, section.erased)
        )
        lost = lost | ~torch.isfinite(symbols) | ~(noise_var <= HOPELESS_NOISE_VAR)
        symbols = symbols.masked_fill(lost, 0)
        snr_db = self._told(float(told_snr_db(noise_var, lost)[0]))
        features = self.network.to_features(symbols, rows, columns)
        picture = self.network.decoder.in_strips(features, snr_db)
        return picture[0, :, :height, :width].contiguous()

    def _told(self, snr_db: float) -> Tensor:
        if math.isnan(snr_db):
            raise ValueError("the SNR is no number")
        low, high = self.trained_db
        return torch.tensor([min(max(snr_db, low), high)])


def open_codec(preset: PresetInfo, weights: Path | None) -> ADJSCCCodec:
    """The codec of a weights file.

    Raises:
        BadWeights: corrupt, or not of an ADJSCC or BDJSCC network.
    """
    if weights is None:
        raise BadWeights(f"{preset.scheme} is learned and cannot be opened without weights")
    info = read_info(weights)
    filters, channels = info.size("filters", weights), info.size("channels", weights)
    # Before anything is allocated: five 5x5 layers of each network, one with ``channels``.
    if min(filters, channels) < 1 or 50 * filters * (3 * filters + channels) > info.parameters:
        raise BadWeights(f"the weights file {weights} is too small for the sizes it gives")
    network = ADJSCC(Architecture(channels, filters, bool(info.size("attention", weights))))
    load_weights(weights, network)
    trained_db = info.size("snr_low_db", weights), info.size("snr_high_db", weights)
    return ADJSCCCodec(network, label_of(preset, weights), trained_db)
