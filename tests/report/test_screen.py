"""A run on one screen: what is first, what is not known, and that it fits."""

from pathlib import Path

import msgspec
import pytest
import runs

from harness.record.schema import ArmResult, Record, Run
from harness.record.store import load_run
from harness.report.screen import screen

ROOT = Path(__file__).parents[2]
SECONDS = [1e-3 + 1e-7 * place for place in range(20)]
FASTER = [0.5 * value for value in SECONDS]
UNSURE = [value * (1.03 if place % 2 else 0.97) for place, value in enumerate(SECONDS)]


def lines(*records: Record, width: int = 80) -> list[str]:
    return screen(runs.run(*records), width).splitlines()


def test_each_question_is_answered_in_a_sentence_and_its_largest_effects() -> None:
    shown = lines(
        runs.record(runs.case(), runs.timed("grad", SECONDS), runs.timed("no_grad", FASTER, SECONDS))
    )

    assert shown[0] == "What does it cost: 1 faster"
    assert shown[1].split() == ["mlp", "eval", "no_grad", "2", "times", "as", "fast"]


def test_what_cannot_be_told_is_a_bound_and_too_few_rounds_are_undecided() -> None:
    shown = lines(
        runs.record(
            runs.case(),
            runs.timed("grad", SECONDS),
            runs.timed("no_grad", UNSURE, SECONDS),
            runs.timed("few", SECONDS[:3], SECONDS[:3]),
        )
    )

    assert shown[0] == "What does it cost: 1 no difference, 1 undecided"
    assert "all times: 1 no difference, 1 undecided, of 2 contrasts" in shown


def test_a_peak_that_falls_is_an_effect_where_time_is_none() -> None:
    shown = lines(runs.record(runs.case(), runs.arm("grad", peak=4096), runs.arm("no_grad", peak=1024)))

    assert shown[0] == "What does it cost"
    assert shown[1].split() == ["mlp", "eval", "no_grad", "peak", "-75", "%"]


def test_controls_books_failures_and_warnings_are_told_below() -> None:
    failed = ArmResult(arm="fused", status="failed", reason="RuntimeError: \x1b[31mno")
    balanced = msgspec.structs.replace(runs.arm("grad"), books=runs.books(0))
    shown = lines(
        runs.record(runs.case(), runs.timed("grad", SECONDS), failed),
        runs.record(runs.case("lstm"), balanced),
    )

    assert "A/A controls: none of 1 sees a difference where there is none" in shown
    assert "books: every byte accounted for in 1 of 1 arms" in shown
    assert any(line.startswith("failed: ") and "\\x1b[31mno" in line for line in shown)


def test_many_failures_are_counted() -> None:
    failed = tuple(ArmResult(arm=f"arm {number}", status="failed", reason="no") for number in range(9))
    shown = lines(runs.record(runs.case(), runs.arm("grad"), *failed))

    assert sum(line.startswith("failed: ") for line in shown) == 3
    assert shown[-1] == "failed: 7 more, in the page and the record"


@pytest.mark.parametrize("width", [80, 120])
def test_the_committed_run_of_all_questions_fits_on_one_screen(width: int) -> None:
    run: Run = load_run(ROOT / "results" / "records" / "cpu.json")
    shown = screen(run, width).splitlines()

    assert len(shown) <= 40 - 6  # a header of up to four lines, and the two that say where everything is
    assert max(map(len, shown)) <= width
    assert shown[0].startswith("What does recording the graph cost a forward pass: ")
