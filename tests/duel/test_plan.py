"""The arithmetic of a duel."""

import pytest

from harness.duel.plan import CONTRARY, FEWEST_TURNS, Turns, plan_turns, restarts_for


def test_a_short_call_is_put_into_samples_and_a_turn_begins_by_filling_caches() -> None:
    plan = plan_turns(2e-5, 0.2)

    assert plan == Turns(calls=15, samples=13, turns=24)
    assert plan.refill


def test_a_long_call_is_a_turn_by_itself() -> None:
    plan = plan_turns(0.5, 0.2)

    assert plan == Turns(calls=1, samples=1, turns=FEWEST_TURNS)
    assert not plan.refill


@pytest.mark.parametrize("contrasts", [0, 1, 2, 3, 24, 1000])
def test_contrary_restarts_leave_a_change_to_be_found(contrasts: int) -> None:
    from harness.judge.verdict import Verdict, judge_family

    restarts = restarts_for(contrasts)
    assert restarts >= 9
    changed = [*[-0.01] * CONTRARY, *[0.02 + place * 1e-6 for place in range(restarts - CONTRARY)]]
    silent = [[(-1) ** place * 1e-6 for place in range(restarts)]] * (contrasts - 1)
    family = [[[value] for value in restarts] for restarts in (changed, *silent)]
    assert judge_family(family, floor=0.005)[0].verdict is Verdict.WORSE
