# SPDX-License-Identifier: GPL-3.0-or-later
"""Learned layers shared by the codecs."""
