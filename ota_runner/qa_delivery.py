# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures over a link of the program itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ota_runner.delivery import LinkDelivery
from semcom_models.codecs import registry
from semcom_models.codecs.base import Request
from semcom_phy.exchange import ChannelState, CodecLabel, Reception
from semcom_phy.ideal import IdealLink
from semcom_phy.numerology import NARROW

STATE = ChannelState(snr_db=20.0)


class Recorded(IdealLink):
    """What it gives was made by another codec, as in somebody else's recording."""

    label = CodecLabel(1)

    def receive(self, timeout_s: float = 60.0) -> Reception | None:
        reception = super().receive(timeout_s)
        assert reception is not None
        return replace(reception, header=replace(reception.header, label=self.label))


@pytest.mark.parametrize(
    ("scheme", "message"), [("linear", "made by --scheme linear"), (None, "codec 77, preset 3")]
)
def test_a_picture_of_another_codec_is_not_this_runs(
    scheme: str | None, message: str, blocks: str
) -> None:
    codec = registry.load(blocks)
    [sent] = codec.encode([torch.zeros(3, 16, 16)], STATE, Request())
    link = Recorded(20.0, NARROW)
    link.label = registry.load(scheme).label if scheme else CodecLabel(77, 3)
    with LinkDelivery(link) as delivery, pytest.raises(ValueError, match=message):
        delivery.deliver(0, "a", sent, STATE)
    with LinkDelivery(IdealLink(20.0, NARROW)) as delivery:
        assert delivery.deliver(0, "a", sent, STATE).decode is not None
