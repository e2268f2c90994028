"""A peak is added up from segments."""

from dataclasses import replace

from harness.fitting.pieces import BlockPasses, Pieces, Update, no_quicker, predicted_peak, predicted_seconds
from harness.fitting.segments import BACKWARD, FORWARD, Segment
from harness.record.fit import FitCandidate


def row(inner: int, again: int = 0) -> tuple[Segment, ...]:
    """Return a pass of two blocks that keep `inner` bytes each, and hold `again` more in backward."""
    return (
        Segment(FORWARD, -1, 0, 0, 1.0),
        Segment(FORWARD, 0, inner, 10 + inner, 1.0),
        Segment(FORWARD, 1, inner, 10 + inner, 1.0),
        Segment(FORWARD, 2, 5, 5, 1.0),
        Segment(BACKWARD, 2, -5, 0, 1.0),
        Segment(BACKWARD, 1, 40 - inner, again + 40, 2.0),
        Segment(BACKWARD, 0, 40 - inner, again + 40, 2.0),
    )


def pieces() -> Pieces:
    frozen = (
        Segment(FORWARD, -1, 0, 0, 1.0),
        Segment(FORWARD, 0, 0, 10, 1.0),
        Segment(FORWARD, 1, 100, 110, 1.0),
        Segment(FORWARD, 2, 5, 5, 1.0),
        Segment(BACKWARD, 2, -5, 0, 1.0),
        Segment(BACKWARD, 1, -60, 40, 2.0),
    )
    return Pieces(
        passes={1: BlockPasses(row(100), row(20, again=80), frozen)},
        updates={"": Update(60, grows=False, seconds=0.5), "foreach": Update(120, grows=True, seconds=0.5)},
        fixed=1000,
        gradients={"a": 40, "b": 40},
        states={"a": 80, "b": 80},
        before=(frozenset(), frozenset({"a"}), frozenset({"a", "b"})),
    )


def test_the_untouched_peak_is_what_lasts_and_the_highest_level() -> None:
    # 1000 fixed, 160 of state; both blocks keep 100, and the last one's backward pass holds 40 above.
    assert predicted_peak(pieces(), FitCandidate()) == 1000 + 160 + 200 + 40


def test_a_checkpointed_block_keeps_less_and_is_computed_again() -> None:
    # block 1's backward pass has left its gradients, 40, when block 0 is computed again
    assert predicted_peak(pieces(), FitCandidate(checkpointed=(0,))) == 1160 + 20 + 40 + 120
    assert predicted_peak(pieces(), FitCandidate(checkpointed=(0, 1))) == 1160 + 20 + 40 + 120


def test_a_frozen_block_has_neither_state_nor_a_backward_pass() -> None:
    assert predicted_peak(pieces(), FitCandidate(frozen=1)) == 1000 + 80 + 100 + 40


def test_the_step_of_an_optimizer_can_be_the_highest() -> None:
    of_lists = FitCandidate(checkpointed=(0, 1), update="foreach")

    # gradients of 80, and temporaries of 120
    assert predicted_peak(pieces(), of_lists) == 1160 + 80 + 120


def test_nothing_is_said_of_what_was_not_measured() -> None:
    assert predicted_peak(pieces(), FitCandidate(micro_batches=2)) is None
    assert predicted_peak(pieces(), FitCandidate(frozen=2)) is None
    assert predicted_peak(pieces(), FitCandidate(update="in backward")) is None
    assert predicted_peak(pieces(), FitCandidate(update="fused")) is None


def test_time_adds_up_too() -> None:
    assert predicted_seconds(pieces(), FitCandidate()) == 9.5


def test_what_is_computed_again_is_never_taken_for_quicker_than_its_two_passes() -> None:
    hasty = tuple(replace(one, seconds=0.5) for one in row(20, again=80))
    slow = tuple(replace(one, seconds=9.0) for one in row(20, again=80))

    # forward as before; backward of a block and its forward once more; what runs after all blocks only once
    assert [one.seconds for one in no_quicker(hasty, row(100))] == [1, 1, 1, 1, 1, 3, 3]
    assert no_quicker(slow, row(100)) == slow
