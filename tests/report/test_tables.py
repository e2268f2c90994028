"""What a run looks like in a terminal and in markdown."""

import msgspec
import pytest

from harness.record.schema import (
    ArmResult,
    Block,
    Books,
    Case,
    Environment,
    Group,
    Metric,
    Record,
    Run,
    Samples,
)
from harness.report.tables import case_tables, case_text, environment_lines, question_page
from harness.report.text import markdown_table

ENVIRONMENT = Environment(
    harness="0.1.0",
    torch="2.13.0",
    build="cpu",
    python="3.11.2",
    platform="Linux-6.1",
    processor="A Processor",
    cpu_capability="AVX512",
    threads=1,
    interop_threads=2,
    device="2 cores of A Processor",
    commit="",
    started="2026-11-23T05:15:00+00:00",
    load=0.12,
    packages={"transformers": "5.23.0"},
)
METRICS = (
    Metric("time", "s", "lower", "noisy", "seconds a call of the whole step"),
    Metric("forward time", "s", "lower", "noisy", "seconds a call of the forward part"),
    Metric("backward time", "s", "lower", "noisy", "seconds a call of the backward part"),
    Metric("peak", "B", "lower", "exact", "highest allocated bytes"),
    Metric("nodes", "1", "lower", "exact", "autograd nodes"),
    Metric("rss", "B", "lower", "witness", "resident bytes a step adds"),
)
ONE = 100e-6  # seconds a call of the reference


def samples(ratio: float, *, metric: str = "time", draws: int = 12, spread: float = 1e-4) -> Samples:
    """Return draws whose ratios lie evenly around one."""
    ratios = [ratio * (1 + spread * (draw - (draws - 1) / 2) / draws) for draw in range(draws)]
    return Samples(
        metric=metric,
        calls=10,
        reference=((ONE, ONE, ONE),) * draws,
        arm=tuple((ONE * value,) * 3 for value in ratios),
    )


GRAD = ArmResult(
    arm="grad",
    counts={"peak": 393216, "nodes": 14},
    timings=(samples(1.0),),
    books=Books(retained=264704, retained_no_grad=2560, saved=262144, scalars=0),
)
NO_GRAD = ArmResult(
    arm="no_grad",
    counts={"peak": 262144, "nodes": 0},
    timings=(samples(0.9),),
    books=Books(retained=2560, retained_no_grad=2560, saved=0, scalars=0),
)


def run_of(*arms: ArmResult, columns: tuple[str, ...] = ("peak", "nodes"), **case: str) -> Run:
    record = Record(
        case=Case(**{"question": "grad_mode", "model": "mlp-relu", "batch_size": 64, **case}),  # type: ignore[arg-type]
        asks="What does recording the graph cost a forward pass?",
        reference="grad",
        columns=columns,
        arms=arms,
    )
    return Run(
        id="now",
        environment=ENVIRONMENT,
        metrics=METRICS,
        records=(record,),
        command="pytest bench/",
        floor=0.005,
    )


def terminal(run: Run, width: int = 100) -> str:
    return case_text(case_tables(run)[0], width)


def test_the_environment_is_two_lines() -> None:
    assert environment_lines(ENVIRONMENT) == (
        "torch 2.13.0 (cpu), Python 3.11.2, transformers 5.23.0; 1 thread, AVX512",
        (
            "2 cores of A Processor; Linux-6.1; load 0.12 at the start; commit unknown; "
            "2026-11-23T05:15:00+00:00"
        ),
    )


def test_a_case_in_a_wide_terminal_is_one_table() -> None:
    assert (
        terminal(run_of(GRAD, NO_GRAD))
        == """\
mlp-relu, eval, float32, batch 64
arm      time    ratio    verdict                    peak     nodes
-------  ------  -------  -------------------------  -------  -------
grad     100 us  1        reference                  384 KiB  14
no_grad  90 us   0.900    faster by 10 % (10 to 10)  256 KiB  0
A/A control (grad once more), 12 layouts: the same within 0.5 %
books balance: 0 B unaccounted
"""
    )


def in_parts(share: float) -> ArmResult:
    """Return a timed arm whose two parts together take this share of its step."""

    def constant(metric: str, seconds: float) -> Samples:
        rows = ((seconds,) * 3,) * 12
        return Samples(metric=metric, calls=10, reference=rows, arm=rows)

    timings = [constant(name, ONE * share / 2) for name in ("forward time", "backward time")]
    return ArmResult(arm="grad", timings=(constant("time", ONE), *timings))


@pytest.mark.parametrize(("share", "is_told"), [(0.74, True), (0.95, False)])
def test_parts_that_do_not_add_up_to_their_step_are_explained(share: float, *, is_told: bool) -> None:
    line = (
        "most steps were interrupted in one of their parts: the parts' times add up to 74 % of the whole;"
        " measure where less else runs (harness doctor)"
    )

    assert (line in terminal(run_of(in_parts(share)), width=200)) is is_told


def test_what_is_too_wide_is_split_in_two() -> None:
    assert (
        terminal(run_of(GRAD, NO_GRAD), width=60)
        == """\
mlp-relu, eval, float32, batch 64
arm      time    ratio    verdict
-------  ------  -------  -------------------------
grad     100 us  1        reference
no_grad  90 us   0.900    faster by 10 % (10 to 10)
arm      peak     nodes
-------  -------  -------
grad     384 KiB  14
no_grad  256 KiB  0
A/A control (grad once more), 12 layouts: the same within 0.5 %
books balance: 0 B unaccounted
"""
    )


def test_the_tables_of_a_training_step_fit_in_80_columns() -> None:
    arm = ArmResult(
        arm="trunk under no_grad",
        counts={"peak": 1023 * 1024, "nodes": 1234567},
        timings=(samples(0.9), samples(0.5, metric="forward time")),
    )
    table = case_tables(run_of(GRAD, arm))[0]

    assert max(map(len, case_text(table).splitlines()[1:10])) <= 80


def test_a_question_without_exact_columns_has_no_second_table() -> None:
    assert (
        terminal(run_of(GRAD, NO_GRAD, columns=()), width=40)
        == """\
mlp-relu, eval, float32, batch 64
arm      time    ratio    verdict
-------  ------  -------  -------------------------
grad     100 us  1        reference
no_grad  90 us   0.900    faster by 10 % (10 to 10)
A/A control (grad once more), 12 layouts: the same within 0.5 %
books balance: 0 B unaccounted
"""
    )


def test_an_arm_that_failed_or_was_skipped_is_shown_with_its_reason_and_the_rest_is_there() -> None:
    failed = ArmResult(arm="inference_mode", status="failed", reason="RuntimeError: out of memory")
    skipped = ArmResult(arm="no_grad", status="skipped", reason="torch refuses it")

    assert (
        terminal(run_of(GRAD, skipped, failed))
        == """\
mlp-relu, eval, float32, batch 64
arm             time    ratio    verdict    peak     nodes
--------------  ------  -------  ---------  -------  -------
grad            100 us  1        reference  384 KiB  14
no_grad         -       -        skipped    -        -
inference_mode  -       -        failed     -        -
A/A control (grad once more), 12 layouts: the same within 0.5 %
books balance: 0 B unaccounted
no_grad skipped: torch refuses it
inference_mode failed: RuntimeError: out of memory
"""
    )


def test_exact_metrics_alone_are_a_table_too() -> None:
    plain = ArmResult(arm="grad", counts={"peak": 1536})

    assert (
        terminal(run_of(plain))
        == """\
mlp-relu, eval, float32, batch 64
arm    peak
-----  -------
grad   1.5 KiB
"""
    )


def test_parts_of_a_step_are_rows_below_their_arm() -> None:
    arm = ArmResult(
        arm="no_grad", counts={"peak": 8}, timings=(samples(0.9), samples(0.5, metric="forward time"))
    )
    table = case_tables(run_of(GRAD, arm))[0]

    assert [row[0] for row in table.rows] == ["grad", "no_grad", ". forward time"]
    assert table.rows[2] == (". forward time", "50 us", "0.500", "2 times as fast (2 to 2)", "", "")


def test_warnings_blocks_and_witnesses_are_lines_below() -> None:
    arm = ArmResult(
        arm="grad",
        counts={"peak": 1536, "rss": 2048},
        books=Books(retained=3072, retained_no_grad=512, saved=1536, scalars=0),
        blocks=(
            Block(bytes=1024, operator="aten::mul", module="1.0"),
            Block(bytes=8, operator="", module=""),
        ),
        warnings=("the model's output holds NaN",),
    )

    assert case_tables(run_of(arm))[0].lines == (
        "books do not balance: grad leaves +1,024 B unaccounted",
        "grad: the model's output holds NaN",
        "grad, resident bytes a step adds (a witness, not exact): 2 KiB",
        "grad: 1,024 B held by aten::mul in 1.0, unaccounted for",
        "grad: 8 B held by no operator in the model itself, unaccounted for",
    )


def test_what_limits_all_arms_is_said_once() -> None:
    arms = (
        msgspec.structs.replace(GRAD, notes=("the host limits",)),
        msgspec.structs.replace(NO_GRAD, notes=("the host limits", "the clock was throttled")),
    )
    lines = case_tables(run_of(*arms))[0].lines

    assert "the host limits" in lines
    assert "no_grad: the clock was throttled" in lines
    assert not any("the host limits" in line for line in lines if line.startswith(("grad:", "no_grad:")))


def test_what_limits_one_arm_is_said_of_it() -> None:
    arms = (msgspec.structs.replace(GRAD, notes=("the host limits",)), NO_GRAD)

    assert "grad: the host limits" in case_tables(run_of(*arms))[0].lines


def test_what_shows_no_difference_says_how_large_one_could_be() -> None:
    unsure = ArmResult(arm="no_grad", timings=(samples(1.006, spread=0.05),))
    table = case_tables(run_of(GRAD, unsure))[0]

    assert table.rows[1][3] == "no difference above 2.3 %"
    assert not any("undecided" in line for line in table.time_lines)


def test_what_is_undecided_says_how_much_would_decide() -> None:
    few = ArmResult(arm="no_grad", timings=(samples(1.006, draws=3),))
    table = case_tables(run_of(GRAD, few))[0]

    assert table.rows[1][3] == "undecided: too few rounds"
    assert table.time_lines[-1] == "undecided: at least 8 layouts would decide; give more time"


def test_too_few_draws_have_no_interval_and_say_so() -> None:
    few = ArmResult(arm="grad", timings=(samples(1.0, draws=3),))
    table = case_tables(run_of(few))[0]

    assert table.time_lines == (
        "A/A control (grad once more), 3 layouts: undecided: too few rounds",
        "undecided: at least 8 layouts would decide; give more time",
    )


def test_a_control_that_sees_what_is_not_there_warns() -> None:
    biased = ArmResult(arm="grad", timings=(samples(1.05),))

    assert case_tables(run_of(biased))[0].time_lines == (
        (
            "A/A control (grad once more), 12 layouts: slower by 5 % (5 to 5)"
            " where nothing differs, so distrust what is smaller here"
        ),
    )


def test_rounds_are_not_called_draws() -> None:
    rounds = Samples(metric="time", calls=1, reference=((ONE,) * 20,), arm=((ONE,) * 20,), unit="round")
    lines = case_tables(run_of(ArmResult(arm="grad", timings=(rounds,))))[0].time_lines

    assert "once more), 20 rounds:" in lines[0]


def test_groups_are_told_but_not_one_for_each_parameter() -> None:
    group = Group(name="decayed", weight_decay=0.01, tensors=3, parameters=398336, state_bytes=3186700)
    few = ArmResult(arm="nanogpt", groups=(group,))
    many = ArmResult(arm="one group a parameter", groups=(group,) * 5)

    assert case_tables(run_of(few, many))[0].groups == (
        ("nanogpt", "decayed", "0.01", "3", "398,336", "3.039 MiB"),
    )


def test_a_page_of_a_question_in_markdown() -> None:
    other = ArmResult(arm="no_grad", status="failed", reason="ValueError: a | b <script> `c`")

    assert (
        question_page(run_of(GRAD, other, variant="adamw"), "grad_mode")
        == """\
# What does recording the graph cost a forward pass?

torch 2.13.0 (cpu), Python 3.11.2, transformers 5.23.0; 1 thread, AVX512  
2 cores of A Processor; Linux-6.1; load 0.12 at the start; commit unknown; 2026-11-23T05:15:00+00:00  
a round scatters by 0.0037 %, in the median of the A/A controls  
Measured by `pytest bench/`. A ratio is an arm's time over its reference's, the median over rounds, and the time of an arm is that of its reference times the ratio. The intervals in brackets hold at once for all arms of a case, at 99 %; differences within 0.5 % count as equal.

## mlp-relu, adamw, eval, float32, batch 64

| arm      |   time |   ratio |   verdict |    peak |   nodes |
|:---------|-------:|--------:|----------:|--------:|--------:|
| grad     | 100 us |       1 | reference | 384 KiB |      14 |
| no\\_grad |      - |       - |    failed |       - |       - |

- A/A control (grad once more), 12 layouts: the same within 0.5 %
- books balance: 0 B unaccounted
- no\\_grad failed: ValueError: a \\| b &lt;script&gt; \\`c\\`
"""
    )


def test_a_page_holds_its_own_question_alone() -> None:
    run = run_of(GRAD)
    page = question_page(run, "grad_mode")

    assert page.count("\n## ") == 1
    with pytest.raises(IndexError):
        question_page(run, "freezing")


def test_a_table_in_markdown_shows_text_as_it_is() -> None:
    assert (
        markdown_table(("arm", "time"), [("a|b", "1 us")])
        == """\
| arm   |   time |
|:------|-------:|
| a\\|b  |   1 us |"""
    )
