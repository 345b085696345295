# SPDX-License-Identifier: GPL-3.0-or-later
"""What gr-semcom costs on this machine: ``make bench`` writes ``bench.json``."""
