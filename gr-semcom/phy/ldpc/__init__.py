# SPDX-License-Identifier: GPL-3.0-or-later
"""Low-density parity-check codes of 5G New Radio and IEEE 802.11n, and their decoder."""

from semcom_phy.ldpc.bit_interleaving import bit_deinterleave, bit_interleave
from semcom_phy.ldpc.nr import LDPC5G
from semcom_phy.ldpc.wlan import LDPC80211, WLAN_1944_3_4

__all__ = ["LDPC5G", "LDPC80211", "WLAN_1944_3_4", "bit_deinterleave", "bit_interleave"]
