# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m semcom_virtual``: see :mod:`semcom_virtual.server`."""

import sys

from semcom_virtual.server import main

if __name__ == "__main__":
    sys.exit(main())
