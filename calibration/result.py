# SPDX-License-Identifier: GPL-3.0-or-later
"""What a procedure finds: validated, with units in the names, as it is in a profile."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """Base of the results of all procedures."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
