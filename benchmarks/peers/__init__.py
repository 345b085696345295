# SPDX-License-Identifier: GPL-3.0-or-later
"""Peers as programs of their own: each prints what it measured as JSON on its last line."""
