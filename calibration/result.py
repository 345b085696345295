# SPDX-License-Identifier: GPL-3.0-or-later
"""What a procedure finds: validated, with units in the names, as it is in a profile."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import AfterValidator, BaseModel, ConfigDict


class Result(BaseModel):
    """Base of the results of all procedures."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def ascending(*names: str) -> AfterValidator:
    """Demands of points that none of these attributes falls from one to the next."""

    def check(points: Sequence[Result]) -> Sequence[Result]:
        for name in names:
            values = [getattr(point, name) for point in points]
            if values != sorted(values):
                raise ValueError(f"{name} does not ascend")
        return points

    return AfterValidator(check)
