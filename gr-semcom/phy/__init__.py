# SPDX-License-Identifier: GPL-3.0-or-later
"""The modem and the digital pipe of gr-semcom as plain array functions.

NumPy, SciPy and Numba only: no GNU Radio, no torch. Everything that a waveform block, a codec
or a training run needs to know of the link is here, once.
"""
