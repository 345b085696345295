# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of learned codes from a recipe; runs without GNU Radio."""
