# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of PCEN, and what its parts are worth; runs without GNU Radio."""
