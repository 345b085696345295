# SPDX-License-Identifier: GPL-3.0-or-later
from semcom_phy.warm_up import warm_up


def test_both_pictures_arrive() -> None:
    assert warm_up() == 2
