# SPDX-License-Identifier: GPL-3.0-or-later
"""How good the waveform is: one file a measurement, all of them drawn in ``docs/waveform.md``."""
