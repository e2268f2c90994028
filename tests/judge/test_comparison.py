"""Two runs side by side: equal, changed, new, gone, failed, incomparable; time as widely as it must be."""

import dataclasses

import pytest
import runs

from harness.judge.comparison import NOT_PAIRED, compare_runs
from harness.judge.finding import FindingState, Outcome
from harness.judge.listing import listing
from harness.judge.unpaired import Spread, judge_unpaired
from harness.record.pytest_benchmark import Benchmark, BenchmarkFile, Stats
from harness.record.schema import ArmResult, Run
from harness.report.sentence import sentence

STEADY = [1e-3 + 1e-6 * place for place in range(12)]


def compared(base: Run | BenchmarkFile, head: Run | BenchmarkFile) -> Outcome:
    return compare_runs(listing(base, "base"), listing(head, "head"))


def states(outcome: Outcome) -> list[FindingState]:
    return [finding.state for finding in outcome.findings]


def timed(seconds: list[float], **changes: object) -> Run:
    return runs.run(runs.record(runs.case(), runs.timed("grad", seconds)), **changes)


def test_a_run_against_itself_is_equal() -> None:
    outcome = compared(runs.run(), runs.run())

    assert outcome.findings == ()
    assert outcome.equal == {"grad_mode/mlp/eval/cpu-float32-b8": 6}


def test_a_win_is_shown_and_passes() -> None:
    head = runs.run(runs.record(runs.case(), runs.arm("grad", peak=1), runs.arm("no_grad", saved=0)))

    assert states(compared(runs.run(), head)) == [FindingState.BETTER]
    assert not compared(runs.run(), head).fails
    assert compared(head, runs.run()).fails


def test_new_and_gone_cases_are_named() -> None:
    more = runs.run(*runs.run().records, runs.record(runs.case("lstm"), runs.arm()))
    new, gone = compared(runs.run(), more), compared(more, runs.run())

    assert [sentence(finding) for finding in new.findings] == [
        "new: grad_mode/lstm/eval/cpu-float32-b8: only head holds this case"
    ]
    assert not new.fails
    assert states(gone) == [FindingState.GONE]
    assert gone.fails


def test_a_metric_of_one_side_is_new_or_gone() -> None:
    more = runs.run(runs.record(runs.case(), runs.arm("grad", reuse=1), runs.arm("no_grad", saved=0)))

    assert states(compared(runs.run(), more)) == [FindingState.NEW]
    assert states(compared(more, runs.run())) == [FindingState.GONE]


@pytest.mark.parametrize("also_in_base", [False, True])
def test_a_failed_arm_fails_whatever_the_base_was(*, also_in_base: bool) -> None:
    failed = runs.run(
        runs.record(runs.case(), ArmResult(arm="grad", status="failed", reason="ValueError: x"))
    )
    base = failed if also_in_base else runs.run(runs.record(runs.case(), runs.arm("grad")))
    outcome = compared(base, failed)

    assert states(outcome) == [FindingState.FAILED]
    assert outcome.fails
    assert outcome.findings[0].detail == "ValueError: x" + (", as in the base" if also_in_base else "")


def test_a_failed_arm_of_a_new_case_fails() -> None:
    failed = runs.record(runs.case("lstm"), ArmResult(arm="grad", status="failed", reason="ValueError: x"))

    assert states(compared(runs.run(), runs.run(*runs.run().records, failed))) == [FindingState.FAILED]


def test_what_is_measured_again_is_new() -> None:
    skipped = runs.run(runs.record(runs.case(), ArmResult(arm="grad", status="skipped", reason="not here")))
    measured = runs.run(runs.record(runs.case(), runs.arm("grad")))

    assert states(compared(skipped, measured)) == [FindingState.NOTHING, FindingState.NEW]
    assert states(compared(measured, skipped)) == [FindingState.GONE]
    assert states(compared(skipped, skipped)) == [FindingState.NOTHING, FindingState.SKIPPED]


@pytest.mark.parametrize("change", [{"threads": 2}, {"cpu_capability": "AVX512"}])
def test_exact_values_of_another_setting_are_incomparable(change: dict[str, object]) -> None:
    head = runs.run(
        runs.record(runs.case(), runs.arm("grad", peak=1), runs.arm("no_grad", saved=0)),
        environment=runs.environment(**change),
    )
    outcome = compared(runs.run(), head)

    assert states(outcome) == [FindingState.INCOMPARABLE]
    assert outcome.fails
    assert outcome.equal == {"grad_mode/mlp/eval/cpu-float32-b8": 5}


def test_another_torch_is_compared_and_told() -> None:
    head = runs.run(environment=runs.environment(torch="2.14.0"))

    assert compared(runs.run(), head).notes == ("torch: 2.13.0 (cpu) in the base, 2.14.0 (cpu) in the head",)


def test_a_metric_of_another_unit_is_incomparable() -> None:
    other = tuple(
        dataclasses.replace(metric, unit="1") if metric.name == "peak" else metric for metric in runs.METRICS
    )
    head = runs.run(runs.record(runs.case(), runs.arm("grad", peak=1)), metrics=other)
    outcome = compared(runs.run(runs.record(runs.case(), runs.arm("grad"))), head)

    assert states(outcome) == [FindingState.INCOMPARABLE]
    assert outcome.findings[0].detail == "another unit, or another side is better"


def test_runs_without_a_common_case_fail() -> None:
    outcome = compared(runs.run(), runs.run(runs.record(runs.case("lstm"), runs.arm())))

    assert FindingState.INCOMPARABLE in states(outcome)
    assert outcome.fails


def test_an_interrupted_side_fails() -> None:
    assert states(compared(runs.run(), runs.run(complete=False))) == [FindingState.INTERRUPTED]


@pytest.mark.parametrize(
    ("factor", "state"),
    [
        (1.02, FindingState.UNDECIDED),
        (1.09, FindingState.UNDECIDED),
        (1.15, FindingState.WORSE),
        (0.92, FindingState.UNDECIDED),
        (0.85, FindingState.BETTER),
    ],
)
def test_time_is_never_worse_inside_the_noise(factor: float, state: FindingState) -> None:
    outcome = compared(timed(STEADY), timed([factor * value for value in STEADY]))

    assert states(outcome) == [state]
    assert outcome.findings[0].detail.startswith("not paired; ")
    assert NOT_PAIRED in outcome.notes


def test_scattered_samples_widen_the_noise() -> None:
    scattered = [1e-3 * (1 + 0.02 * place) for place in range(12)]
    outcome = compared(timed(scattered), timed([1.3 * value for value in scattered]))

    assert states(outcome) == [FindingState.UNDECIDED]


def test_few_samples_decide_nothing() -> None:
    outcome = compared(timed(STEADY[:7]), timed([9 * value for value in STEADY[:7]]))

    assert states(outcome) == [FindingState.UNDECIDED]
    assert "7 samples a side at most, at least 8 are needed" in outcome.findings[0].detail


@pytest.mark.parametrize("change", [{"processor": "Processor 1"}, {"threads": 2}, {"load": 5.0, "cores": 2}])
def test_times_of_another_machine_or_a_shared_one_are_incomparable(change: dict[str, object]) -> None:
    outcome = compared(
        timed(STEADY), timed([9 * value for value in STEADY], environment=runs.environment(**change))
    )

    assert states(outcome) == [FindingState.INCOMPARABLE]
    assert not outcome.fails
    assert outcome.notes[-1].startswith("times are incomparable: ")


def test_a_machine_with_a_core_to_spare_is_not_shared() -> None:
    where = runs.environment(load=1.5, cores=2)

    assert states(compared(timed(STEADY), timed(STEADY, environment=where))) == [FindingState.UNDECIDED]


def test_a_time_is_never_the_same() -> None:
    judged = judge_unpaired(Spread(1.0, 0.0, 1000), Spread(1.0, 0.0, 1000), "lower")

    assert judged.verdict.value == "undecided"


def test_quartiles_below_zero_decide_nothing() -> None:
    judged = judge_unpaired(Spread.of_quartiles(-0.1, 1.0, 2.0, 50), Spread(9.0, 0.01, 50), "lower")

    assert judged.verdict.value == "undecided"


def benchmarks(**medians: float) -> BenchmarkFile:
    return BenchmarkFile(
        benchmarks=tuple(
            Benchmark(name, Stats(median, 0.99 * median, 1.01 * median, 50))
            for name, median in medians.items()
        ),
        machine_info={"cpu": {"brand_raw": "CPU"}},
    )


def test_benchmarks_of_another_project_are_compared() -> None:
    outcome = compared(benchmarks(a=1.0, b=1.0, gone=1.0), benchmarks(a=1.02, b=1.5, new=1.0))

    assert [sentence(finding).partition(" (")[0] for finding in outcome.findings] == [
        "worse: b: time 1 s -> 1.5 s, +50.0 %",
        "gone: gone: only base holds this case",
        "new: new: only head holds this case",
        "undecided: a: time 1 s -> 1.02 s, +2.0 %",
    ]
