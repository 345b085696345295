# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples run and show what they say."""

import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "gr-semcom" / "examples"


def test_symbols_meet_the_noise_that_was_set() -> None:
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / "send_symbols.py")],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    rows = re.findall(r"^ *(\d+) dB +([-\d.]+) dB +([-\d.]+) dB$", result.stdout, re.MULTILINE)
    assert [int(row[0]) for row in rows] == [0, 10, 20]
    for snr_db, measured, error_vector in rows:
        assert abs(float(measured) - float(snr_db)) < 0.3
        assert abs(float(error_vector) - float(snr_db)) < 0.3
