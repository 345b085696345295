# SPDX-License-Identifier: GPL-3.0-or-later
"""HEVC intra (ITU-T H.265), 4:4:4, through x265 in FFmpeg: BPG's engine without its container.

The stream is an Annex B byte stream of parameter sets and one slice.
"""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from semcom_models.source.base import RGB8, DamagedStream, SourceCodec, check_size
from semcom_models.source.ycbcr import rgb_of_ycbcr, ycbcr_of_rgb

SMALLEST_SIDE = 16
"""Of pictures that x265 takes; smaller ones are extended and cut."""

PRESET = "slow"
"""3.3 % fewer bits on photographs than ``medium`` for half as much time again; ``veryslow``, which
bpgenc's default level is, saves another 0.3 % for as much time once more."""

_X265_PARAMETERS = ":".join(
    [
        "log-level=none",
        # One intra picture, no supplemental information, the same stream on every machine.
        *("keyint=1", "ipratio=1.0", "info=0", "frame-threads=1", "pools=none", "wpp=0"),
        # The quantiser is constant but for a spread of about one step over the coding tree
        # blocks, so that a fraction of a step quantises some of them more finely.
        *("aq-mode=1", "aq-strength=0.3", "qg-size=64", "qcomp=1.0", "cutree=0"),
    ]
)


class HEVC(SourceCodec[float]):
    """HEVC intra; a quality is x265's rate factor (crf), here the mean quantisation parameter."""

    name = "hevc"
    qualities = tuple(float(crf) for crf in np.arange(51, -0.25, -0.25))
    usual_bits_per_pixel = (0.065, 18.0)

    def version(self) -> str:
        return f"x265 {PRESET} of FFmpeg {av.ffmpeg_version_info}, PyAV {av.__version__}"

    def encode(self, rgb: RGB8, quality: float) -> bytes:
        padding = [(0, max(SMALLEST_SIDE - side, 0)) for side in rgb.shape[:2]]
        planes = ycbcr_of_rgb(np.pad(rgb, [*padding, (0, 0)], mode="edge"))
        frame = av.VideoFrame.from_ndarray(planes, format="yuv444p")
        encoder = av.CodecContext.create("libx265", "w")
        assert isinstance(encoder, VideoCodecContext)
        encoder.height, encoder.width = planes.shape[1:]
        encoder.pix_fmt = "yuv444p"
        encoder.time_base = Fraction(1, 25)
        encoder.options = {
            "preset": PRESET,
            "tune": "psnr",
            "x265-params": f"{_X265_PARAMETERS}:crf={quality}",
        }
        return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])

    def decode(self, stream: bytes, height: int, width: int) -> RGB8:
        decoder = av.CodecContext.create("hevc", "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.thread_count = 1
        decoder.options = {"err_detect": "explode"}
        try:
            frames = [*decoder.decode(av.Packet(stream)), *decoder.decode(None)]
        except (av.FFmpegError, ValueError) as error:
            raise DamagedStream(f"no HEVC picture: {error}") from None
        if len(frames) != 1 or frames[0].format.name != "yuv444p":
            raise DamagedStream("no HEVC picture of 8 bit, 4:4:4")
        padded = max(height, SMALLEST_SIDE), max(width, SMALLEST_SIDE)
        check_size((frames[0].height, frames[0].width), *padded)
        planes = frames[0].to_ndarray().astype(np.uint8, copy=False)
        return rgb_of_ycbcr(planes[:, :height, :width])
