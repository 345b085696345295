# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from semcom_phy.mcs_tables import MCS, SIDE_INFORMATION, TABLE_1, TABLE_2, mcs_index

# The column "spectral efficiency" of TS 38.214, which nobody needs but to check the others.
EFFICIENCY_1 = """
    0.2344 0.3066 0.3770 0.4902 0.6016 0.7402 0.8770 1.0273 1.1758 1.3262 1.3281 1.4766 1.6953
    1.9141 2.1602 2.4063 2.5703 2.5664 2.7305 3.0293 3.3223 3.6094 3.9023 4.2129 4.5234 4.8164
    5.1152 5.3320 5.5547
"""
EFFICIENCY_2 = """
    0.2344 0.3770 0.6016 0.8770 1.1758 1.4766 1.6953 1.9141 2.1602 2.4063 2.5703 2.7305 3.0293
    3.3223 3.6094 3.9023 4.2129 4.5234 4.8164 5.1152 5.3320 5.5547 5.8906 6.2266 6.5703 6.9141
    7.1602 7.4063
"""


@pytest.mark.parametrize(
    ("table", "printed", "orders"),
    [
        (TABLE_1, EFFICIENCY_1, [2] * 10 + [4] * 7 + [6] * 12),
        (TABLE_2, EFFICIENCY_2, [2] * 5 + [4] * 6 + [6] * 9 + [8] * 8),
    ],
)
def test_tables_are_those_of_the_standard(table, printed, orders):
    efficiency = [MCS[index].efficiency for index in table]
    np.testing.assert_allclose(efficiency, [float(x) for x in printed.split()], atol=5.1e-5)
    assert [MCS[index].bits_per_symbol for index in table] == orders


def test_indices_are_part_of_the_format_on_the_air():
    assert len(MCS) == 52 <= 62
    assert tuple(range(3, 32)) == TABLE_1
    assert TABLE_2[-8:] == tuple(range(32, 40))
    for index, name in {
        0: "side-information",
        2: "qpsk-conv-1/2",
        3: "nr-qpsk-120/1024",
        21: "nr-64qam-466/1024",
        32: "nr-256qam-682.5/1024",
        40: "nr-qpsk-1/2",
        44: "nr-16qam-2/3",
        47: "wlan-16qam-3/4",
        48: "uncoded-qpsk",
        51: "uncoded-256qam",
    }.items():
        assert mcs_index(name) == index
        assert MCS[index].name == name


def test_side_information_has_the_most_robust_scheme():
    assert MCS[SIDE_INFORMATION].name == "side-information"
    assert MCS[SIDE_INFORMATION].efficiency == min(scheme.efficiency for scheme in MCS)


def test_names_are_unique():
    assert len({scheme.name for scheme in MCS}) == len(MCS)


def test_an_unknown_name_is_told():
    with pytest.raises(ValueError, match=r"no MCS 'nr-17qam-2/3'; the nearest are .*nr-16qam-2/3"):
        mcs_index("nr-17qam-2/3")
