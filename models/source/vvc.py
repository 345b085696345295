# SPDX-License-Identifier: GPL-3.0-or-later
"""VVC intra (ITU-T H.266) through VTM, the reference software, or Fraunhofer's VVenC and VVdeC.

VTM codes 4:4:4 and takes minutes for a picture; VVenC codes 4:2:0. Neither is in a package index.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from semcom_models.source.base import RGB8, DamagedStream, NotInstalled, SourceCodec
from semcom_models.source.programs import first_line_of, run_decoder, run_encoder
from semcom_models.source.vvc_software import VTM, VVCSoftware, VVenC
from semcom_models.source.ycbcr import rgb_of_ycbcr, ycbcr_of_rgb

ALIGNMENT = 8
"""Sides are multiples of the smallest coding unit: pictures are extended to them, and cut."""


class VVC(SourceCodec[int]):
    """VVC intra; a quality is the quantisation parameter, 63 to 0."""

    name = "vvc"
    needs = (
        "vvencapp and vvdecapp, from https://github.com/fraunhoferhhi/vvenc and .../vvdec "
        "(in each: make install-release install-prefix=/usr/local), or EncoderApp and DecoderApp "
        "of VTM with its cfg folder, from https://vcgit.hhi.fraunhofer.de/jvet/VVCSoftware_VTM"
    )
    qualities = range(63, -1, -1)
    usual_bits_per_pixel = (0.01, 14.0)

    def available(self) -> bool:
        return VTM().installed or VVenC().installed

    def version(self) -> str:
        encoder = self._software().encoder
        assert encoder is not None
        return first_line_of([encoder, "--help"])

    def encode(self, rgb: RGB8, quality: int) -> bytes:
        software = self._software()
        height, width = (side + -side % ALIGNMENT for side in rgb.shape[:2])
        padding = [(0, height - rgb.shape[0]), (0, width - rgb.shape[1]), (0, 0)]
        planes = ycbcr_of_rgb(np.pad(rgb, padding, mode="edge"))
        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "in.yuv").write_bytes(software.samples(planes))
            command = software.encode_command(quality, height, width)
            return run_encoder(command, folder, folder / "out.vvc")

    def decode(self, stream: bytes, height: int, width: int) -> RGB8:
        software = self._software()
        padded = height + -height % ALIGNMENT, width + -width % ALIGNMENT
        expected = software.sample_count(*padded)
        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "in.vvc").write_bytes(stream)
            samples = run_decoder(software.decode_command(), folder, folder / "out.yuv", expected)
        if len(samples) != expected:
            raise DamagedStream("the stream holds a smaller picture than was announced")
        return rgb_of_ycbcr(software.planes(samples, *padded)[:, :height, :width])

    def _software(self) -> VVCSoftware:
        software = next((one for one in (VTM(), VVenC()) if one.installed), None)
        if software is None:
            raise NotInstalled(f"not installed: {self.needs}")
        return software
