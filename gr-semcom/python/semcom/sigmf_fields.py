# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of our SigMF namespace ``semcom``; ``docs/sigmf-extension.md`` documents them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from semcom_phy.exchange import (
    ChannelState,
    CodecLabel,
    FloatArray,
    PictureHeader,
    Reception,
    Transmission,
)
from semcom_phy.numerology import Numerology

if TYPE_CHECKING:
    from gnuradio.semcom.radios.base import Radio

EXTENSION = {"name": "semcom", "version": "1.0.0", "optional": True}
"""As ``core:extensions`` lists it."""

Fields = dict[str, Any]

_OF_THE_FILE = ("name", "sha256")
"""Notes of a transmission on the file of the picture; the others are the encoder's."""


def stream_fields(stream: str, antenna: int, numerology: Numerology, radio: Radio) -> Fields:
    """The global object of a recording.

    Args:
        stream: ``sent`` or ``received``.
        antenna: its number, from 0.
        numerology: of the waveform.
        radio: what carried the samples.
    """
    return {
        "core:datatype": "cf32_le",
        "core:sample_rate": numerology.sample_rate,
        "core:description": f"samples {stream}, antenna {antenna}",
        "core:recorder": "gr-semcom",
        "core:hw": radio.name,
        "core:extensions": [EXTENSION],
        "semcom:stream": stream,
        "semcom:antenna": antenna,
        "semcom:numerology": asdict(numerology),
        "semcom:radio": radio.describe(),
    }


def scheme_fields(label: CodecLabel) -> Fields:
    """What made the pictures, for the global object; names only where they are known here."""
    from semcom_models.codecs import registry  # a link of symbols alone needs none of it

    fields: Fields = {}
    names = [scheme.name for scheme in registry.schemes() if scheme.number == label.codec]
    if names:
        fields["semcom:scheme"] = names[0]
    with suppress(ValueError):  # weights of the user's own have names of their own
        fields["semcom:preset"] = registry.preset_of(label).name
    if label.weights:
        fields["semcom:weights"] = f"{label.weights:08x}"
    return fields


def picture_fields(picture: int, transmission: Transmission) -> Fields:
    """Which picture it is: in the annotations of what was sent and of what was received of it."""
    notes = transmission.notes
    named = {f"semcom:{key}": notes[key] for key in _OF_THE_FILE if key in notes}
    return _picture(picture, transmission) | named


def sent_fields(transmission: Transmission, state: ChannelState) -> Fields:
    """What the transmitter did with a picture."""
    fields: Fields = {"semcom:streams": transmission.streams}
    if notes := _notes(transmission.notes):
        fields["semcom:notes"] = notes
    if state.snr_db is not None:
        fields["semcom:snr_told"] = state.snr_db
    if state.csi is not None:
        fields |= {"semcom:csi_id": state.csi_id, "semcom:csi_age": state.age_s}
    return fields


def received_fields(reception: Reception | None) -> Fields:
    """What became of a picture at the receiver; None where it was lost."""
    if reception is None:
        return {"semcom:received": False}
    fields: Fields = {
        "semcom:received": True,
        "semcom:fragments": reception.fragments.tolist(),
        "semcom:frame_snr": _finite(reception.frame_snr_db),
        "semcom:frame_cfo": _finite(reception.frame_cfo_hz),
    }
    if np.isfinite(reception.snr_db):
        fields["semcom:snr"] = round(reception.snr_db, 3)
    return fields


def header_fields(reception: Reception) -> Fields:
    """Which picture it is, as far as its header says."""
    return _picture(reception.header.picture, reception.header)


def _picture(number: int, said: Transmission | PictureHeader) -> Fields:
    return {
        "core:label": f"picture {number}",
        "semcom:picture": number,
        "semcom:height": said.height,
        "semcom:width": said.width,
        "semcom:label": asdict(said.label),
    }


def _notes(notes: Mapping[str, str | float]) -> dict[str, str | float]:
    """Those of the encoder, as JSON has them: numbers are finite."""
    return {
        key: note if isinstance(note, str) or np.isfinite(note) else str(note)
        for key, note in notes.items()
        if key not in _OF_THE_FILE
    }


def _finite(values: FloatArray) -> list[float | None]:
    return [round(value, 3) if np.isfinite(value) else None for value in values.tolist()]
