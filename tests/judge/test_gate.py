"""The gate over literal runs: what passes, what fails, and in which words."""

import msgspec
import pytest
import runs

from harness.judge.finding import FindingState, Outcome
from harness.judge.gate import gate, inspect, unmet
from harness.judge.limits import Limits, read_limits
from harness.judge.renewal import replacements
from harness.record.baseline import Baseline
from harness.record.schema import ArmResult, Block, CodeLine, Run
from harness.report.sentence import sentence, verdict_line

CASE = "grad_mode/mlp/eval/cpu-float32-b8"
KEY = "torch2.13.0-cpu-1t-float32-cpu-AVX2"


def baselines_of(*measured: Run) -> dict[str, Baseline]:
    return {baseline.key.name: baseline for baseline in replacements(measured, {})}


def limits(**tables: object) -> Limits:
    return read_limits({"tool": {"harness": {"gate": tables}}})


def told(outcome: Outcome) -> list[str]:
    return [sentence(finding) for finding in outcome.findings if finding.fails]


def test_a_run_against_itself_passes() -> None:
    outcome = gate(runs.run(), baselines_of(runs.run()), Limits())

    assert not outcome.fails
    assert outcome.findings == ()
    assert outcome.equal == {CASE: 6}
    assert verdict_line([outcome]) == "PASS: nothing worse in 1 case; 6 exact values equal"


def test_one_byte_more_fails() -> None:
    head = runs.run(runs.record(runs.case(), runs.arm("grad", peak=4097), runs.arm("no_grad", saved=0)))
    outcome = gate(head, baselines_of(runs.run()), Limits())

    assert told(outcome) == [
        (
            f"worse: {CASE}: grad: peak 4,096 B -> 4,097 B, +1 B (+0.0 %)"
            " (highest allocated bytes above the start of the step)"
        )
    ]
    assert verdict_line([outcome]) == "FAIL: 1 worse in 1 of 1 case"


def test_a_value_with_places_is_told_with_their_lines() -> None:
    arm = msgspec.structs.replace(
        runs.arm("grad", operators=12), places={"operators": (CodeLine(file="model.py", line=12, count=2),)}
    )
    base = runs.run(runs.record(runs.case(), runs.arm("grad")))
    outcome = gate(runs.run(runs.record(runs.case(), arm)), baselines_of(base), Limits())

    assert outcome.fails
    assert "operators 10 -> 12" in told(outcome)[0]
    assert told(outcome)[0].endswith("; at model.py:12 (2)")


def test_a_win_that_nobody_explained_fails_too() -> None:
    head = runs.run(runs.record(runs.case(), runs.arm("grad", operators=9), runs.arm("no_grad", saved=0)))
    outcome = gate(head, baselines_of(runs.run()), Limits())

    assert told(outcome) == [
        f"better: {CASE}: grad: operators 10 -> 9, -1 (-10.0 %) (operators dispatched in a step)"
    ]


def test_of_a_metric_that_should_be_high_more_is_better() -> None:
    base = runs.run(runs.record(runs.case(), runs.arm("grad", reuse=3)))
    more = runs.run(runs.record(runs.case(), runs.arm("grad", reuse=4)))
    fewer = runs.run(runs.record(runs.case(), runs.arm("grad", reuse=2)))

    assert [finding.state for finding in gate(more, baselines_of(base), Limits()).findings] == [
        FindingState.BETTER
    ]
    assert [finding.state for finding in gate(fewer, baselines_of(base), Limits()).findings] == [
        FindingState.WORSE
    ]


def test_a_witness_and_a_time_are_never_gated() -> None:
    base = runs.run(runs.record(runs.case(), runs.timed("grad", [1.0] * 9)))
    slower = runs.timed("grad", [9.0] * 9)
    head = runs.run(
        runs.record(runs.case(), msgspec.structs.replace(slower, counts={**slower.counts, "rss": 10**9}))
    )

    assert not gate(head, baselines_of(base), Limits()).fails


def test_a_case_that_vanished_fails() -> None:
    other = runs.record(runs.case("lstm"), runs.arm("grad"))
    base = runs.run(*runs.run().records, other)
    outcome = gate(runs.run(), baselines_of(base), Limits())

    assert told(outcome) == [
        "gone: grad_mode/lstm/eval/cpu-float32-b8: the baseline has this case, the run does not"
    ]


def test_an_arm_that_vanished_fails() -> None:
    head = runs.run(runs.record(runs.case(), runs.arm("grad")))

    assert told(gate(head, baselines_of(runs.run()), Limits())) == [
        f"gone: {CASE}: no_grad: the baseline has this arm, the run does not"
    ]


def test_an_arm_that_is_skipped_now_is_gone() -> None:
    skipped = ArmResult(arm="no_grad", status="skipped", reason="torch refuses it")
    head = runs.run(runs.record(runs.case(), runs.arm("grad"), skipped))

    assert told(gate(head, baselines_of(runs.run()), Limits())) == [
        f"gone: {CASE}: no_grad: skipped: torch refuses it"
    ]
    assert not gate(head, baselines_of(head), Limits()).fails


def test_an_arm_that_failed_fails_with_its_reason() -> None:
    failed = ArmResult(arm="no_grad", status="failed", reason="RuntimeError: no such thing")
    head = runs.run(runs.record(runs.case(), runs.arm("grad"), failed))

    assert told(gate(head, baselines_of(runs.run()), Limits())) == [
        f"failed: {CASE}: no_grad: RuntimeError: no such thing"
    ]


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_any_baseline_row_that_is_deleted_fails(kept: int) -> None:
    baseline = baselines_of(runs.run())[KEY]
    rows = dict(baseline.values[CASE, "grad"])
    name = list(rows)[kept]
    del rows[name]
    cut = msgspec.structs.replace(baseline, values={**baseline.values, (CASE, "grad"): rows})
    outcome = gate(runs.run(), {KEY: cut}, Limits())

    assert outcome.fails
    assert [(finding.state, finding.metric) for finding in outcome.findings] == [(FindingState.NEW, name)]
    assert "the baseline has no row of this value" in told(outcome)[0]


def test_a_case_without_any_row_fails() -> None:
    baseline = baselines_of(runs.run())[KEY]
    outcome = gate(runs.run(), {KEY: msgspec.structs.replace(baseline, values={})}, Limits())

    assert told(outcome) == [f"new: {CASE}: the baseline has no row of this case"]


def test_a_baseline_of_another_cpu_capability_is_none() -> None:
    other = runs.run(environment=runs.environment(cpu_capability="AVX512"))
    outcome = gate(runs.run(), baselines_of(other), Limits())

    assert told(outcome) == [
        (
            f"no baseline: there is no baseline for {KEY}; the nearest has CPU capability AVX512 there,"
            " AVX2 here; make one with `harness gate RUN.json --baseline DIR --update`"
        )
    ]
    assert verdict_line([outcome]) == "FAIL: 1 without a baseline"


def test_a_baseline_that_was_renamed_to_fit_is_none() -> None:
    other = runs.run(environment=runs.environment(cpu_capability="AVX512"))
    (baseline,) = baselines_of(other).values()

    assert "CPU capability AVX512 there, AVX2 here" in told(gate(runs.run(), {KEY: baseline}, Limits()))[0]


def test_no_baseline_at_all_fails_and_says_how_to_make_one() -> None:
    assert told(gate(runs.run(), {}, Limits())) == [
        (
            f"no baseline: there is no baseline for {KEY}, nor for any other key;"
            " make one with `harness gate RUN.json --baseline DIR --update`"
        )
    ]


@pytest.mark.parametrize(
    "change", [{"torch": "2.14.0"}, {"build": "cu126"}, {"threads": 2}, {"cpu_capability": "AVX512"}]
)
def test_every_part_of_the_environments_key_counts(change: dict[str, object]) -> None:
    head = runs.run(environment=runs.environment(**change))
    outcome = gate(head, baselines_of(runs.run()), Limits())

    assert [finding.state for finding in outcome.findings] == [FindingState.NO_BASELINE]


def test_where_threads_alone_differ_the_option_that_meets_the_baseline_is_named() -> None:
    head = runs.run(environment=runs.environment(threads=2))
    (line,) = told(gate(head, baselines_of(runs.run()), Limits()))

    assert line.endswith(
        "the nearest has threads 1 there, 2 here;"
        " make one with `harness gate RUN.json --baseline DIR --update`, or measure with --threads 1"
    )


def test_each_dtype_has_a_baseline_of_its_own() -> None:
    both = runs.run(*runs.run().records, runs.record(runs.case(dtype="bfloat16"), runs.arm("grad")))

    assert sorted(baselines_of(both)) == ["torch2.13.0-cpu-1t-bfloat16-cpu-AVX2", KEY]
    assert not gate(both, baselines_of(both), Limits()).fails


def test_a_baseline_that_no_run_met_can_be_asked_for() -> None:
    half = runs.run(runs.record(runs.case(dtype="bfloat16"), runs.arm("grad")))
    baselines = baselines_of(runs.run(), half)

    assert unmet([runs.run(), half], baselines) == ()
    assert [finding.detail for finding in unmet([runs.run()], baselines)] == [
        "no run has the key of the baseline torch2.13.0-cpu-1t-bfloat16-cpu-AVX2"
    ]


def test_books_that_do_not_balance_fail_and_name_the_block() -> None:
    block = Block(bytes=5056, operator="aten::clone", module="block.0")
    opened = msgspec.structs.replace(runs.arm("grad"), books=runs.books(5056), blocks=(block,))
    head = runs.run(runs.record(runs.case(), opened))

    assert told(gate(head, baselines_of(head), Limits())) == [
        (
            f"books open: {CASE}: grad: the books do not balance: +5,056 B unaccounted;"
            " 5,056 B by aten::clone in block.0"
        )
    ]


def test_a_residual_that_is_known_is_accepted_and_no_other() -> None:
    known = limits(unaccounted={"grad_mode/*": 5056})
    for left, fails in ((5056, False), (0, True), (5057, True)):
        opened = msgspec.structs.replace(runs.arm("grad"), books=runs.books(left))
        head = runs.run(runs.record(runs.case(), opened))
        assert gate(head, baselines_of(head), known).fails is fails


def test_an_interrupted_run_fails() -> None:
    head = runs.run(complete=False)

    assert told(gate(head, baselines_of(head), Limits())) == [
        "interrupted: the run was interrupted: what it does not hold was not measured"
    ]


def test_a_run_without_cases_fails() -> None:
    empty = msgspec.structs.replace(runs.run(), records=())

    assert told(gate(empty, baselines_of(runs.run()), Limits())) == [
        "gone: the run holds no case, so nothing was judged"
    ]


def test_a_budget_is_absolute() -> None:
    outcome = gate(runs.run(), baselines_of(runs.run()), limits(budgets={"grad_mode/*": ["peak <= 3 KiB"]}))

    assert [sentence(finding).partition(" (")[0] for finding in outcome.findings] == [
        f"over budget: {CASE}: {arm}: peak 4,096 B" for arm in ("grad", "no_grad")
    ]
    assert "the budget of grad_mode/* is peak <= 3 KiB" in told(outcome)[0]
    assert not gate(
        runs.run(), baselines_of(runs.run()), limits(budgets={"grad_mode/*": ["peak <= 4 KiB"]})
    ).fails


@pytest.mark.parametrize(
    ("rule", "peak", "fails"),
    [
        ("1%+0", 4136, False),  # 4,096 x 1.01 = 4,136.96
        ("1%+0", 4137, True),
        ("0%+4", 4100, False),
        ("0%+4", 4101, True),
        ("1%+10", 4146, False),
        ("1%+10", 4147, True),
        ("1%+10", 4046, False),  # a win inside it is none either
        ("1%+10", 4045, True),
        ("peak 0%+1 KiB", 5120, False),
        ("saved 0%+1 KiB", 5120, True),
    ],
)
def test_an_allowance_is_a_share_and_bytes(*, rule: str, peak: int, fails: bool) -> None:
    head = runs.run(runs.record(runs.case(), runs.arm("grad", peak=peak), runs.arm("no_grad", saved=0)))
    outcome = gate(head, baselines_of(runs.run()), limits(allowances={"*": rule}))

    assert outcome.fails is fails
    assert (FindingState.ALLOWED in outcome.counts()) is not fails


def test_an_allowance_of_bytes_allows_no_operator() -> None:
    head = runs.run(runs.record(runs.case(), runs.arm("grad", operators=11), runs.arm("no_grad", saved=0)))

    assert gate(head, baselines_of(runs.run()), limits(allowances={"*": "50%+4096"})).fails
    assert not gate(head, baselines_of(runs.run()), limits(allowances={"*": "operators 0%+1"})).fails


def test_a_pattern_can_name_an_arm() -> None:
    head = runs.run(runs.record(runs.case(), runs.arm("grad", peak=4097), runs.arm("no_grad", saved=0)))

    assert gate(head, baselines_of(runs.run()), limits(allowances={"*: no_grad": "0%+1"})).fails
    assert not gate(head, baselines_of(runs.run()), limits(allowances={"*: grad": "0%+1"})).fails


def test_a_parameter_that_moves_between_groups_changes_both() -> None:
    def grouped(decayed: int, rest: int, decay: float = 0.01) -> Run:
        groups = (runs.group("decayed", decayed, decay), runs.group("rest", rest, 0.0))
        return runs.run(runs.record(runs.case(), msgspec.structs.replace(runs.arm("timm"), groups=groups)))

    assert not gate(grouped(200, 1), baselines_of(grouped(200, 1)), Limits()).fails
    moved = gate(grouped(199, 2), baselines_of(grouped(200, 1)), Limits())
    assert told(moved) == [
        f"changed: {CASE}: timm: parameters in group 'rest', weight decay 0 1 -> 2, +1 (+100.0 %)",
        f"changed: {CASE}: timm: parameters in group 'decayed', weight decay 0.01 200 -> 199, -1 (-0.5 %)",
    ]
    assert gate(grouped(200, 1, 0.1), baselines_of(grouped(200, 1)), Limits()).fails


def test_other_packages_are_a_note() -> None:
    head = runs.run(environment=runs.environment(packages={"numpy": "2.5.0"}))

    assert gate(head, baselines_of(runs.run()), Limits()).notes == (
        "numpy 2.4.6 in the baseline, 2.5.0 here",
    )


def test_an_update_makes_the_next_gate_pass() -> None:
    head = runs.run(runs.record(runs.case(), runs.arm("grad", peak=1), runs.arm("no_grad", saved=0)))
    before = baselines_of(runs.run())
    (after,) = replacements([head], before)

    assert gate(head, before, Limits()).fails
    assert not gate(head, {KEY: after}, Limits()).fails


def test_an_update_keeps_what_the_run_does_not_hold_unless_told() -> None:
    base = runs.run(*runs.run().records, runs.record(runs.case("lstm"), runs.arm("grad")))
    (kept,) = replacements([runs.run()], baselines_of(base))
    (pruned,) = replacements([runs.run()], baselines_of(base), prune=True)

    assert gate(runs.run(), {KEY: kept}, Limits()).fails
    assert not gate(runs.run(), {KEY: pruned}, Limits()).fails


def test_an_update_never_drops_an_arm_that_failed() -> None:
    failed = ArmResult(arm="no_grad", status="failed", reason="RuntimeError: no")
    head = runs.run(runs.record(runs.case(), runs.arm("grad"), failed))
    (after,) = replacements([head], baselines_of(runs.run()), prune=True)

    assert (CASE, "no_grad") in after.values
    assert gate(head, {KEY: after}, Limits()).fails


def test_without_a_baseline_failures_and_books_are_judged_still() -> None:
    opened = msgspec.structs.replace(runs.arm("grad"), books=runs.books(8))
    failed = ArmResult(arm="no_grad", status="failed", reason="RuntimeError: no")
    skipped = ArmResult(arm="inference_mode", status="skipped", reason="not here")
    outcome = inspect(runs.run(runs.record(runs.case(), opened, failed, skipped)), Limits())

    assert outcome.counts() == {FindingState.FAILED: 1, FindingState.UNBALANCED: 1, FindingState.SKIPPED: 1}
    assert verdict_line([inspect(runs.run(), Limits())]) == (
        "1 case: nothing failed, books balance; compared with nothing"
    )
