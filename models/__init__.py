# SPDX-License-Identifier: GPL-3.0-or-later
"""Learned and classical joint source-channel codes in PyTorch; no GNU Radio needed."""
