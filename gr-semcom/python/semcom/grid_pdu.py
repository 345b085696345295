# SPDX-License-Identifier: GPL-3.0-or-later
"""Grids of symbols as PDUs, for blocks that work between mapper and OFDM modulator.

A grid is ``pmt.cons(metadata, c32vector)`` with the symbols ``[symbols, subcarriers, streams or
antennas]`` in C order. The metadata are those of a feedback message (:mod:`gnuradio.semcom.pdu`),
of which ``csi_id`` says for which channel the grid was precoded and ``csi`` holds the receiver's
own estimate, and:

* ``shape``: s64vector of three;
* ``noise_var``: f32vector, after combining ``[subcarriers, streams]``, before it one a receive
  antenna.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pmt
from gnuradio.semcom.pdu import (
    Pmt,
    feedback_from_pmt,
    feedback_to_pmt,
    vector_from_pmt,
    vector_to_pmt,
)
from numpy.typing import NDArray

from semcom_phy.csi_feedback import Feedback
from semcom_phy.exchange import ComplexArray, FloatArray


def grid_to_pdu(grid: ComplexArray, channel: Feedback, noise_var: FloatArray | None = None) -> Pmt:
    """PDU of a grid.

    Args:
        grid: ``[symbols, subcarriers, streams or antennas]``.
        channel: whose ``csi_id`` and, at the receiver, ``csi`` go with it.
        noise_var: where known.

    Raises:
        ValueError: a grid of another shape.
    """
    if grid.ndim != 3:
        raise ValueError(f"a grid is [symbols, subcarriers, streams], not {list(grid.shape)}")
    meta = _add(feedback_to_pmt(channel), "shape", np.asarray(grid.shape, np.int64))
    if noise_var is not None:
        meta = _add(meta, "noise_var", noise_var)
    return pmt.cons(meta, vector_to_pmt(grid.astype(np.complex64, copy=False)))


def grid_from_pdu(pdu: Pmt) -> tuple[ComplexArray, Feedback, FloatArray | None]:
    """Grid, channel and noise variances ``[n]`` of a grid's PDU.

    Raises:
        ValueError: the message is no such PDU.
    """
    if not pmt.is_pair(pdu) or not pmt.is_dict(pmt.car(pdu)):
        raise ValueError("not a grid PDU: expected a pair of metadata and a vector")
    meta = pmt.car(pdu)
    values = vector_from_pmt(pmt.cdr(pdu), np.complex64)
    shape = vector_from_pmt(_entry(meta, "shape"), np.int64)
    if shape.size != 3 or (shape < 1).any() or int(np.prod(shape)) != values.size:
        raise ValueError(f"grid PDU: {values.size} values for a grid of {shape.tolist()}")
    noise_var = _entry(meta, "noise_var")
    known = None if pmt.is_null(noise_var) else vector_from_pmt(noise_var, np.float32)
    return values.reshape(shape), feedback_from_pmt(meta), known


def _entry(meta: Pmt, key: str) -> Pmt:
    return pmt.dict_ref(meta, pmt.intern(key), pmt.PMT_NIL)


def _add(meta: Pmt, key: str, values: NDArray[Any]) -> Pmt:
    return pmt.dict_add(meta, pmt.intern(key), vector_to_pmt(values))
