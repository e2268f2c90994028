"""What is green was compared with something: where nothing was, an outcome fails and says why."""

import msgspec
import pytest
import runs

from harness.judge.comparison import compare_runs
from harness.judge.duel import judge_duel, judge_times
from harness.judge.finding import FindingState, Outcome
from harness.judge.gate import gate, inspect
from harness.judge.limits import Limits
from harness.judge.listing import listing
from harness.judge.renewal import replacements
from harness.record.duel import Duel, DuelArm, DuelSide
from harness.record.schema import ArmResult, Run
from harness.report.sentence import verdict_line

REASON = "WorkloadError: hf:bert cannot be had: it needs 'regex', which is not installed"


def of(status: str) -> Run:
    arms = [ArmResult(arm=name, status=status, reason=REASON) for name in ("grad", "no_grad")]  # type: ignore[arg-type]
    return runs.run(runs.record(runs.case(), *arms))


def compared(base: Run, head: Run) -> Outcome:
    return compare_runs(listing(base, "base"), listing(head, "head"))


def duelled(base: Run, head: Run, *arms: DuelArm) -> Outcome:
    sides = [DuelSide(given=name, python="python", run=run) for name, run in (("base", base), ("head", head))]
    duel = Duel(base=sides[0], head=sides[1], arms=arms, restarts=3, floor=0.005, budget=1.0)
    return judge_duel(duel, judge_times(duel))


WAYS: dict[str, Outcome] = {
    "the base failed": compared(of("failed"), runs.run()),
    "a side of a duel failed": duelled(of("failed"), runs.run()),
    "both sides failed": compared(of("failed"), of("failed")),
    "both sides of a duel were skipped": duelled(of("skipped"), of("skipped")),
    "no case in common": compared(runs.run(), runs.run(runs.record(runs.case("other"), runs.arm()))),
    "no case": compared(runs.run(records=()), runs.run(records=())),
    "arms that hold no value": compared(
        runs.run(runs.record(runs.case(), ArmResult(arm="grad"))),
        runs.run(runs.record(runs.case(), ArmResult(arm="grad"))),
    ),
    "a gate of what was skipped": gate(
        of("skipped"), {one.key.name: one for one in replacements([of("skipped")], {})}, Limits()
    ),
    "a gate against an empty baseline": gate(
        runs.run(),
        {one.key.name: msgspec.structs.replace(one, values={}) for one in replacements([runs.run()], {})},
        Limits(),
    ),
    "a report of what was skipped": inspect(of("skipped"), Limits()),
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_compared_is_never_a_pass(way: str) -> None:
    assert WAYS[way].fails
    assert verdict_line([WAYS[way]]).startswith("FAIL: ")


def test_the_cause_is_shown_by_its_own_name() -> None:
    nothing = WAYS["a side of a duel failed"].findings[0]

    assert nothing.state is FindingState.NOTHING
    assert nothing.detail == f"nothing was compared: the base failed: {REASON}"


def test_times_of_a_duel_that_are_the_same_were_compared() -> None:
    bare = runs.run(runs.record(runs.case(), ArmResult(arm="grad")))
    samples = runs.timed("grad", [1e-3 + 1e-7 * place for place in range(20)]).timings[0]

    outcome = duelled(bare, bare, DuelArm(case=runs.case().id, arm="grad", samples=samples))

    assert outcome.same == 1
    assert not outcome.fails
