# SPDX-License-Identifier: GPL-3.0-or-later
"""GNU Radio blocks that send pictures with learned joint source-channel codes.

::

    PictureSource -> Encoder -> Framer -> radio -> Receiver -> Decoder -> PictureSink
             messages        |         samples          |        messages

Importing this imports no torch; the blocks that run a codec do, when they are made.
"""

from dataclasses import replace

from gnuradio.semcom.arriving_pictures import ArrivingPictures
from gnuradio.semcom.decoder import Decoder
from gnuradio.semcom.encoder import Encoder
from gnuradio.semcom.feedback_sink import FeedbackSink
from gnuradio.semcom.feedback_source import FeedbackSource
from gnuradio.semcom.frame_history import FrameHistory
from gnuradio.semcom.frame_symbols import FrameSymbols
from gnuradio.semcom.framer import Framer
from gnuradio.semcom.guard import check
from gnuradio.semcom.link import FlowgraphLink
from gnuradio.semcom.loopback_channel import LoopbackChannel
from gnuradio.semcom.pcen_combiner import PcenCombiner
from gnuradio.semcom.pcen_precoder import PcenPrecoder
from gnuradio.semcom.picture_sink import PictureSink
from gnuradio.semcom.picture_source import PictureSource
from gnuradio.semcom.picture_view import PictureView
from gnuradio.semcom.receiver import Receiver
from gnuradio.semcom.sample_sink import SampleSink
from gnuradio.semcom.sample_source import SampleSource
from gnuradio.semcom.semantic_receiver import SemanticReceiver
from gnuradio.semcom.semantic_transmitter import SemanticTransmitter

from semcom_phy.channel import ChannelConfig, ChannelTap
from semcom_phy.csi_feedback import CsiReports
from semcom_phy.named_channels import named_channel
from semcom_phy.named_precoding import named_precoding
from semcom_phy.numerology import Numerology, preset

__all__ = [
    "ArrivingPictures",
    "ChannelConfig",
    "ChannelTap",
    "CsiReports",
    "Decoder",
    "Encoder",
    "FeedbackSink",
    "FeedbackSource",
    "FlowgraphLink",
    "FrameHistory",
    "FrameSymbols",
    "Framer",
    "LoopbackChannel",
    "PcenCombiner",
    "PcenPrecoder",
    "PictureSink",
    "PictureSource",
    "PictureView",
    "Receiver",
    "SampleSink",
    "SampleSource",
    "SemanticReceiver",
    "SemanticTransmitter",
    "check",
    "named_channel",
    "named_precoding",
    "numerology",
]


def numerology(name: str = "narrow", tx_antennas: int = 1, rx_antennas: int = 1) -> Numerology:
    """A preset numerology for that many antennas, as Companion's blocks ask for it.

    Raises:
        ValueError: no such preset, or other numbers of antennas than 1 and 2.
    """
    return replace(preset(name), tx_antennas=tx_antennas, rx_antennas=rx_antennas)
