# SPDX-License-Identifier: GPL-3.0-or-later
"""The experiments of the ADJSCC paper that look into the network; runs without GNU Radio."""
