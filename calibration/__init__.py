# SPDX-License-Identifier: GPL-3.0-or-later
"""Calibration of radios: procedures, and profiles of devices."""
