"""The largest batch, of curves that are known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.scaling import largest_batch
from harness.workload.model import WorkloadError


@given(
    base=st.integers(0, 10_000),
    each=st.integers(1, 1_000),
    start=st.integers(1, 64),
    limit=st.integers(1, 1_000_000),
)
def test_the_largest_batch_of_a_straight_line_is_exact(base: int, each: int, start: int, limit: int) -> None:
    batch, runs = largest_batch(lambda size: base + each * size, start, limit)
    assert batch == max(0, (limit - base) // each)
    assert dict(runs)[batch + 1] > limit  # the next one was run, too
    assert len(runs) <= 14  # eight times as many a run, up to a million, and the few of a line


def test_a_batch_that_runs_out_of_memory_does_not_fit() -> None:
    batch, runs = largest_batch(lambda size: 10 * size if size <= 5 else None, start=4, limit=1000)
    assert batch == 5
    assert dict(runs)[6] == 0


def test_not_even_one_example_may_fit() -> None:
    assert largest_batch(lambda size: 100 * size, start=4, limit=50)[0] == 0


def test_a_step_in_the_curve_is_found_by_running() -> None:
    # An algorithm that takes scratch from a batch of 20 on.
    batch, _ = largest_batch(lambda size: 10 * size + (500 if size >= 20 else 0), start=2, limit=600)
    assert batch == 19


def test_a_peak_that_hardly_grows_yet_asks_for_no_batch_that_no_machine_holds() -> None:
    # The optimizer's part is the highest, with a few bytes of the batch, until the backward pass is.
    batch, runs = largest_batch(lambda size: max(1000 + size // 4, 40 * size), start=4, limit=1100)

    assert batch == 27
    assert max(size for size, _ in runs) <= 8 * 27


def test_a_peak_that_does_not_grow_is_refused() -> None:
    with pytest.raises(WorkloadError, match="a batch of 4 needs no more memory than one of 2"):
        largest_batch(lambda _size: 100, start=2, limit=1000)
