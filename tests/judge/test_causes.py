"""A verdict names the cause first, calls a count that costs nothing changed, and fits a screen."""

import msgspec
import pytest
import runs

from harness.judge.gate import gate
from harness.judge.limits import Limits, read_limits
from harness.judge.renewal import replacements
from harness.record.baseline import Baseline
from harness.record.schema import Calls, CodeLine, Group, Metric, Run
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
        "2 parameter groups are trained, and were not: backbone.0.bias, backbone.0.weight"
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


def calling(reshapes: int, operators: int, *arms: str, **counts: int) -> Run:
    """Return a run whose arms reshape so often in a block, and dispatch so many operators in all."""
    calls = (
        Calls(modules=("h.0.attn", "h.1.attn"), kind="Attention", operators={"reshape": 1}),
        Calls(modules=("h.2.attn",), kind="Attention", operators={"reshape": reshapes}),
        Calls(modules=("backward",), kind="", operators={"reshape": reshapes}),
    )
    results = (runs.arm(name, operators=operators, **counts) for name in arms or ("grad",))
    return runs.run(runs.record(runs.case(), *(msgspec.structs.replace(one, calls=calls) for one in results)))


def test_the_module_and_the_operator_are_named_in_one_line_for_all_arms() -> None:
    arms = [f"arm {number}" for number in range(13)]
    outcome = gate(calling(3, 14, *arms), baselines(calling(1, 10, *arms)), Limits())

    assert outcome_text(outcome).splitlines() == [
        "FAIL: 13 changed in 1 of 1 case",
        "torch2.13.0-cpu-1t-float32-cpu-AVX2: 26 equal, 13 changed",
        "h.2.attn (Attention) makes 2 more reshape in each of 13 arms, no byte changed",
        "4 operators more in each of 13 arms, no byte changed",
        "13 more rows; `harness report` with --html or --markdown has all",
    ]


def test_a_call_that_takes_bytes_is_not_said_to_take_none() -> None:
    outcome = gate(calling(2, 12, peak=9000), baselines(calling(1, 10)), Limits())

    assert outcome_text(outcome).splitlines()[2] == "h.2.attn (Attention) makes 1 more reshape"


def test_a_baseline_without_modules_says_the_count_and_what_adds_them() -> None:
    before = {
        name: msgspec.structs.replace(one, callers={}) for name, one in baselines(calling(1, 10)).items()
    }
    outcome = gate(calling(3, 14), before, Limits())

    assert outcome_text(outcome).splitlines()[2:4] == [
        (
            "which module makes them is not known: the baseline holds no modules;"
            " `harness gate BASE.json --baseline DIR --update`, with a run of the base, adds them"
        ),
        (
            "changed: grad_mode/mlp/eval/cpu-float32-b8: grad: operators 10 -> 14, +4 (+40.0 %)"
            " (operators dispatched in a step); no byte changed with it"
        ),
    ]
    assert not gate(calling(1, 10), before, Limits()).fails


def graphs(count: int, **counts: int) -> Run:
    line = CodeLine(file="nets.py", line=41, count=count, function="evaluate")
    one = msgspec.structs.replace(runs.arm("grad", **counts), places={"nodes": (line,)})
    nodes = Metric("nodes", "1", "lower", "exact", "autograd nodes")
    return runs.run(runs.record(runs.case(), one), metrics=(*runs.METRICS, nodes))


def test_a_lost_no_grad_is_named_with_its_function_and_line() -> None:
    lost = graphs(3, nodes=9, saved=2048)
    outcome = gate(lost, baselines(graphs(0, nodes=0)), Limits())

    assert outcome_text(outcome).splitlines()[2] == "no_grad lost in evaluate (nets.py:41)"
    assert "worse: grad_mode/mlp/eval/cpu-float32-b8: grad: nodes 0 -> 9" in outcome_text(outcome)


def test_a_lost_no_grad_is_named_where_the_call_trains_too_and_nodes_are_as_before() -> None:
    outcome = gate(graphs(3, nodes=9, saved=2048), baselines(graphs(0, nodes=9)), Limits())

    assert outcome_text(outcome).splitlines()[2] == "no_grad lost in evaluate (nets.py:41)"


def test_a_baseline_without_functions_still_tells_where_the_first_graph_is() -> None:
    before = {
        name: msgspec.structs.replace(one, callers={}) for name, one in baselines(graphs(0, nodes=0)).items()
    }
    outcome = gate(graphs(3, nodes=9, saved=2048), before, Limits())

    assert outcome_text(outcome).splitlines()[2] == "no_grad lost in evaluate (nets.py:41)"


def test_a_graph_without_a_byte_is_worse_all_the_same() -> None:
    limits = read_limits({"tool": {"harness": {"gate": {"counts": "show"}}}})

    assert gate(graphs(1, nodes=2), baselines(graphs(0, nodes=0)), limits).fails


def test_what_follows_from_a_thawed_layer_is_not_told_beside_it() -> None:
    def thawed(operators: int, *names: str) -> Run:
        calls = (Calls(modules=("optimizer",), kind="", operators={"add_": operators}),)
        one = grouped(*names).records[0].arms[0]
        counts = {**one.counts, "operators": operators}
        return runs.run(runs.record(runs.case(), msgspec.structs.replace(one, calls=calls, counts=counts)))

    outcome = gate(thawed(12, "head", "trunk"), baselines(thawed(10, "head")), Limits())
    text = outcome_text(outcome)

    assert text.splitlines()[2] == "1 parameter group is trained, and was not: trunk"
    assert "(optimizer)" not in text


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

    text = gate_text([outcome], {"one": rows, "two": rows}, "harness gate")

    assert sum(-(-len(line) // 80) for line in text.splitlines()) <= 40  # as a terminal breaks them
    assert "292 more rows; -v shows all" in text
    assert "if that is meant, this writes 600 rows of one.json and two.json" in text


def test_all_rows_of_a_gate_are_shown_to_who_asks_for_them() -> None:
    arms = [f"arm {number}" for number in range(13)]
    outcome = gate(calling(3, 14, *arms), baselines(calling(1, 10, *arms)), Limits())
    rows = [f'+ ["m","arm {number}","operators",14]' for number in range(13)]

    lines = gate_text([outcome], {"one": rows}, "harness gate", verbose=True).splitlines()

    assert sum(line.startswith("changed: ") for line in lines) == 13
    assert lines[lines.index("replacement in one.json:") + 1 :][:13] == rows


def test_a_gate_names_the_command_that_makes_the_change_meant() -> None:
    outcome = gate(calling(3, 14), baselines(calling(1, 10)), Limits())
    text = gate_text(
        [outcome], {"one": ['+ ["m","grad","peak",1]']}, "harness gate run.json --baseline here --update"
    )

    assert text.endswith("\n  harness gate run.json --baseline here --update\n")


@pytest.mark.parametrize(
    ("rows", "command", "end"),
    [
        (['- ["m","grad","peak",1]'], "harness gate", "drops what is gone, 1 row:\n  harness gate --prune\n"),
        (
            ['- ["m","grad","peak",1]', '+ ["m","grad","peak",2]', '- ["m","grad","saved",1]'],
            "harness gate",
            "writes 1 row of one.json, with --prune it drops what is gone, 1 row:\n  harness gate\n",
        ),
        ([], "harness gate", "; no byte changed with it\n"),
        (['+ ["m","grad","peak",1]'], "", '+ ["m","grad","peak",1]\n'),
    ],
)
def test_what_a_gate_offers_is_what_its_command_does(rows: list[str], command: str, end: str) -> None:
    outcome = gate(calling(3, 14), baselines(calling(1, 10)), Limits())

    assert gate_text([outcome], {"one": rows}, command, verbose=True).endswith(end)
