# SPDX-License-Identifier: GPL-3.0-or-later
"""A network whose factors are known, and small pictures."""

import pytest
import torch
from torch.nn import functional as F

from semcom_models.codecs.adjscc import ADJSCC, ADJSCCCodec, Architecture
from semcom_models.data import sample_pictures
from semcom_models.study.attention import attention_modules
from semcom_phy.exchange import CodecLabel

FILTERS = 5


@pytest.fixture(scope="session")
def pictures():
    """Of 32x32, as in CIFAR-10."""
    return [
        F.interpolate(picture[None], (32, 32), mode="area")[0] for _, picture in sample_pictures()
    ]


@pytest.fixture
def factors_of():
    """Of the ``number``-th module of ``codec``, from 1: ``sigmoid(number (c - 2) SNR / 40)``."""
    return lambda number, snr_db: torch.sigmoid(number * (torch.arange(FILTERS) - 2) * snr_db / 40)


@pytest.fixture
def codec():
    """Has the factors of ``factors_of``, whatever the picture."""
    torch.manual_seed(1)
    network = ADJSCC(Architecture(channels=4, filters=FILTERS))
    for number, module in enumerate(attention_modules(network).values(), start=1):
        for parameter in module.parameters():
            parameter.data.zero_()
        module.squeeze.weight.data[0, -1] = 1 / 40
        module.excite.weight.data[:, 0] = number * (torch.arange(FILTERS) - 2.0)
    return ADJSCCCodec(network, CodecLabel(codec=2), (0.0, 20.0))
