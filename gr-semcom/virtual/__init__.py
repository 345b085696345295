# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual radios: a Pluto and a USRP beneath the vendors' own libraries, and the air between."""
