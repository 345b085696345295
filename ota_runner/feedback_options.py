# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a run that concern what comes back from the receiver."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from semcom_phy.csi_feedback import SNR_RANGE_DB

SET, FEEDBACK = "set", "feedback"


def _encoder_snr(value: str) -> str:
    if value in (SET, FEEDBACK):
        return value
    low, high = SNR_RANGE_DB
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise ValueError(f"choose {SET}, {FEEDBACK}, or a number of dB from {low:g} to {high:g}")
    return value


def _written(value: Any) -> Any:
    """A number in a file is as good as one typed."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


class FeedbackOptions(BaseModel):
    """What the transmitter is told; a run's options inherit these."""

    encoder_snr: Annotated[
        str | None,
        BeforeValidator(_written),
        AfterValidator(lambda value: None if value is None else _encoder_snr(value)),
        Field(
            description="SNR that the encoder is told: set (the channel's own), feedback (as the "
            "receiver measured it) or a number of dB; default: set where it is simulated and "
            "--feedback-delay is not given, feedback elsewhere"
        ),
    ] = None
    feedback_delay: Annotated[
        int | None,
        Field(
            ge=0,
            le=100,
            description="pictures by which feedback is late; 0: SNR of the picture before, channel "
            "of the frame before",
        ),
    ] = None
