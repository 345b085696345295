# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m ota_runner``."""

from ota_runner.cli import main

if __name__ == "__main__":
    main()
