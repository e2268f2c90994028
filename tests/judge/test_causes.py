"""A verdict names the cause first, calls a count that costs nothing changed, and fits a screen."""

import msgspec
import runs

from harness.judge.gate import gate
from harness.judge.renewal import replacements
from harness.judge.limits import Limits, read_limits
from harness.record.baseline import Baseline
from harness.record.schema import Group, Run
from harness.report.verdict_text import outcome_text
from harness.report.written import gate_text


def baselines(run: Run) -> dict[str, Baseline]:
    return {one.key.name: one for one in replacements([run], {})}


def grouped(*names: str, decay: float = 0.01) -> Run:
    groups = tuple(
        Group(name=name, weight_decay=decay, tensors=1, parameters=8, state_bytes=64) for name in names
    )
    return runs.run(runs.record(runs.case(), msgspec.structs.replace(runs.arm("step"), groups=groups)))


def test_thawed_parameters_are_the_second_line() -> None:
    outcome = gate(
        grouped("head.weight", "backbone.0.weight", "backbone.0.bias"),
        baselines(grouped("head.weight")),
        Limits(),
    )

    assert outcome_text(outcome).splitlines()[2] == (
        "2 parameter groups became trainable: backbone.0.bias, backbone.0.weight"
    )


def test_frozen_parameters_and_another_decay_are_told_apart() -> None:
    frozen = gate(grouped("a"), baselines(grouped("a", "b")), Limits())
    decayed = gate(grouped("a", decay=0.0), baselines(grouped("a")), Limits())

    assert outcome_text(frozen).splitlines()[2] == "1 parameter group is trained no more: b"
    assert outcome_text(decayed).splitlines()[2] == "1 parameter group has another weight decay: a"


def counted(**counts: int) -> Run:
    return runs.run(runs.record(runs.case(), runs.arm("grad", **counts)))


def test_a_count_that_takes_no_byte_has_changed_and_is_not_worse() -> None:
    outcome = gate(counted(operators=12), baselines(counted(operators=10)), Limits())

    assert outcome_text(outcome).startswith("FAIL: 1 changed in 1 of 1 case\n")
    assert "no byte changed with it" in outcome_text(outcome)


def test_a_count_that_rose_alike_in_all_arms_is_one_sentence() -> None:
    def two(operators: int) -> Run:
        arms = [runs.arm(name, operators=operators) for name in ("grad", "no_grad")]
        return runs.run(runs.record(runs.case(), *arms))

    outcome = gate(two(16), baselines(two(10)), Limits())

    assert outcome_text(outcome).splitlines()[2] == "6 operators more in each of 2 arms, no byte changed"


def test_it_is_shown_without_failing_where_the_project_says_so() -> None:
    limits = read_limits({"tool": {"harness": {"gate": {"counts": "show"}}}})

    outcome = gate(counted(operators=12), baselines(counted(operators=10)), limits)

    assert not outcome.fails
    assert "changed: " in outcome_text(outcome)


def test_a_count_with_bytes_is_worse() -> None:
    outcome = gate(counted(operators=12, peak=9000), baselines(counted(operators=10)), Limits())

    assert outcome_text(outcome).startswith("FAIL: 2 worse in 1 of 1 case\n")


def test_a_gate_prints_at_most_40_lines() -> None:
    many = [runs.record(runs.case(f"m{number}"), runs.arm("grad")) for number in range(300)]
    more = [runs.record(runs.case(f"m{number}"), runs.arm("grad", peak=1)) for number in range(300)]
    outcome = gate(runs.run(*more), baselines(runs.run(*many)), Limits())
    rows = [f'+ ["m{number}","grad","peak",1]' for number in range(300)]

    text = gate_text([outcome], {"one": rows, "two": rows})

    assert len(text.splitlines()) <= 40
    assert "280 more rows" in text
