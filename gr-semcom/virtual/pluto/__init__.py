# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual PlutoSDR behind libiio's network protocol."""
