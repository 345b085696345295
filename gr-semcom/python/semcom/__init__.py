# SPDX-License-Identifier: GPL-3.0-or-later
"""GNU Radio blocks that send pictures with learned joint source-channel codes."""
