# SPDX-License-Identifier: GPL-3.0-or-later
"""What a procedure says when it cannot tell anything."""

from __future__ import annotations


class CalibrationError(ValueError):
    """A procedure found nothing to measure; one line that says why and what to look at."""
