# SPDX-License-Identifier: GPL-3.0-or-later
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from semcom_models.source.search import largest_that_fits

ladders = st.lists(st.integers(0, 40), min_size=1, max_size=80).map(lambda x: list(accumulate(x)))


def search(sizes: list[int], budget: int, start: float, octaves: float):
    encoded = []

    def encode(step: int) -> bytes:
        encoded.append(step)
        return bytes(sizes[step])

    found = largest_that_fits(encode, len(sizes), budget, start, octaves)
    assert len(set(encoded)) == len(encoded)
    return found, len(encoded)


@given(ladders, st.integers(0, 3000), st.floats(-50, 150), st.floats(0.01, 3))
def test_finds_the_last_that_fits(
    sizes: list[int], budget: int, start: float, octaves: float
) -> None:
    found, _ = search(sizes, budget, start, octaves)
    fitting = [step for step, size in enumerate(sizes) if size <= budget]
    if not fitting:
        assert found is None
    else:
        assert found == (fitting[-1], bytes(sizes[fitting[-1]]))


@given(st.lists(st.integers(1, 500), min_size=1, max_size=60), st.integers(1, 500))
def test_sizes_that_do_not_rise_still_give_a_stream_that_fits(
    sizes: list[int], budget: int
) -> None:
    found, _ = search(sizes, budget, len(sizes) / 2, 0.1)
    if found is None:
        assert sizes[0] > budget
    else:
        step, stream = found
        assert len(stream) <= budget
        assert step + 1 == len(sizes) or sizes[step + 1] > budget


def test_an_exponential_ladder_takes_few_encodings() -> None:
    sizes = [round(1000 * 2 ** (0.045 * step)) for step in range(200)]
    wrong = [
        search(sizes, budget, start, 0.04)[1] for budget in (3000, 20000) for start in (30, 90)
    ]
    right = [search(sizes, sizes[step] + 1, step + 0.5, 0.045)[1] for step in (40, 120)]
    assert max(wrong) <= 5
    assert right == [2, 2]  # and the next, which does not fit


def test_budgets_outside_the_ladder_are_settled_at_its_ends() -> None:
    sizes = list(range(100, 300))
    assert search(sizes, 99, 0, 0.02) == (None, 1)
    assert search(sizes, 10**6, 500, 0.02) == ((199, bytes(299)), 1)
    assert search(sizes, 0, float("-inf"), 0.02)[0] is None
