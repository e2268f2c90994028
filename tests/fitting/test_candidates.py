"""Which candidates are worth a run."""

from harness.fitting.candidates import Prospect, best_of_each_kind
from harness.record.fit import FitCandidate


def prospect(peak: int, seconds: float, **levers: object) -> Prospect:
    return Prospect(FitCandidate(**levers), peak, seconds)  # type: ignore[arg-type]


def ranked(*pool: Prospect) -> list[Prospect]:
    return sorted(pool, key=lambda one: one.rank)


def test_what_gives_up_nothing_comes_before_what_is_quicker() -> None:
    frozen, checkpointed = prospect(5, 1.0, frozen=1), prospect(5, 9.0, checkpointed=(0,))

    assert best_of_each_kind(ranked(frozen, checkpointed), 10, 3) == [checkpointed]


def test_the_fewest_blocks_are_frozen_that_fit() -> None:
    one, two = prospect(12, 3.0, frozen=1), prospect(8, 1.0, frozen=2)

    assert best_of_each_kind(ranked(one, two), 10, 3) == [two]
    assert best_of_each_kind(ranked(one, two), 12, 3) == [one]


def test_one_of_each_kind_is_run() -> None:
    quick, slow = prospect(5, 1.0, checkpointed=(0,)), prospect(5, 2.0, checkpointed=(0, 1))
    parts = prospect(5, 3.0, micro_batches=2)

    assert best_of_each_kind(ranked(quick, slow, parts), 10, 3) == [quick, parts]


def test_a_lever_that_brings_nothing_is_not_pulled() -> None:
    with_lever, without = prospect(5, 0.995, update="fused"), prospect(5, 1.0)

    assert ranked(with_lever, without)[0] == without


def test_nothing_is_proposed_that_is_expected_not_to_fit() -> None:
    assert best_of_each_kind([prospect(11, 1.0)], 10, 3) == []
