# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import pytest

from semcom_phy.numerology import NARROW
from semcom_phy.warm_up import warm_up


@pytest.mark.parametrize("antennas", [1, 2])
def test_both_pictures_arrive(antennas: int) -> None:
    assert warm_up(replace(NARROW, tx_antennas=antennas, rx_antennas=antennas)) == 2
