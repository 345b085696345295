# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from semcom_phy.sample_buffer import SampleBuffer


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 40_000)), max_size=12))
def test_it_holds_the_stream_from_the_last_discard_on(
    steps: list[tuple[int, int]],
) -> None:
    stream = np.arange(12 * 30_000, dtype=np.float32).astype(np.complex64)[None]
    buffer, end, begin = SampleBuffer(1), 0, 0
    for count, forget in steps:
        buffer.append(stream[:, end : end + count])
        end += count
        begin = min(max(begin, forget), end)
        buffer.discard(forget)
        assert (buffer.begin, buffer.end) == (begin, end)
        np.testing.assert_array_equal(buffer.view(begin, end), stream[:, begin:end])


def test_what_it_does_not_hold_is_zero() -> None:
    buffer = SampleBuffer(2)
    buffer.append(np.ones((2, 10), np.complex64))
    buffer.discard(4)
    np.testing.assert_array_equal(buffer.view(-2, 13)[0], [0] * 6 + [1] * 6 + [0] * 3)
    np.testing.assert_array_equal(buffer.view(20, 23), np.zeros((2, 3)))


def test_memory_stays_flat_when_everything_is_consumed() -> None:
    buffer = SampleBuffer(1)
    piece = np.ones((1, 1000), np.complex64)
    for _ in range(2000):
        buffer.append(piece)
        buffer.discard(buffer.end - 500)
    assert buffer._store.shape[1] <= 1 << 15
