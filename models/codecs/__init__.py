# SPDX-License-Identifier: GPL-3.0-or-later
"""One file a paper; :mod:`semcom_models.codecs.registry` finds them by name."""
