"""Torch versions side by side."""

import msgspec
import pytest
from runs import environment

from harness.errors import HarnessError
from harness.record.schema import ArmResult, Case, Metric, Record, Run, Samples
from harness.report.versions import version_pages

METRICS = (
    Metric("time", "s", "lower", "noisy", "seconds a call of the whole step"),
    Metric("peak", "B", "lower", "exact", "highest allocated bytes"),
    Metric("saved", "B", "lower", "exact", "saved for backward"),
    Metric("nodes", "1", "lower", "exact", "autograd nodes"),
)


def arm(name: str, ratio: float | None = None, **counts: int) -> ArmResult:
    timings = ()
    if ratio is not None:
        draws = 12
        timings = (
            Samples(metric="time", calls=1, reference=((1e-3,),) * draws, arm=((1e-3 * ratio,),) * draws),
        )
    return ArmResult(arm=name, counts=counts, timings=timings)


def run_of(torch: str, *arms: ArmResult, question: str = "grad_mode", model: str = "lstm") -> Run:
    record = Record(
        case=Case(question=question, model=model, batch_size=16),
        asks="What does recording the graph cost a forward pass?",
        reference="grad",
        columns=("peak", "saved", "nodes"),
        arms=arms,
    )
    return Run(
        id=torch, environment=environment(torch=torch), metrics=METRICS, records=(record,), floor=0.005
    )


OLD = run_of("2.0.1", arm("grad", 1.0, peak=400000, saved=356352, nodes=11), arm("no_grad", 0.9, peak=1000))
NEW = run_of("2.13.0", arm("grad", 1.0, peak=400000, saved=282624, nodes=11), arm("no_grad", 0.8, peak=1000))


def rows(page: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| ") and not line.startswith("| arm")
    ]


def test_a_page_is_a_column_a_version_and_marks_what_changed() -> None:
    assert (
        version_pages([NEW, OLD])["grad_mode"]
        == """\
# What does recording the graph cost a forward pass? Torch versions side by side

torch 2.0.1 (cpu), Python 3.11.7, numpy 2.4.6; 1 thread, AVX2  
torch 2.13.0 (cpu), Python 3.11.7, numpy 2.4.6; 1 thread, AVX2  

Bytes and counts are exact. `changed` marks a row whose versions differ. A time is each version's own ratio of the arm to its reference: seconds are not compared across versions.

## grad\\_mode/lstm/eval/cpu-float32-b16

| arm      |           metric |          2.0.1 |         2.13.0 |   changed |
|:---------|-----------------:|---------------:|---------------:|----------:|
| grad     |             peak |      400,000 B |      400,000 B |           |
| grad     |            saved |      356,352 B |      282,624 B |   changed |
| grad     |            nodes |             11 |             11 |           |
| no\\_grad |             peak |        1,000 B |        1,000 B |           |
| no\\_grad | time / reference | 0.900 (better) | 0.800 (better) |           |
"""
    )


def test_versions_are_in_the_order_of_their_numbers() -> None:
    pages = version_pages([run_of(version, arm("grad", peak=1)) for version in ("2.13.0", "2.0.1", "2.4.1")])

    assert "2.0.1 |   2.4.1 |   2.13.0 |" in pages["grad_mode"]


def test_a_case_that_one_version_does_not_have_is_a_dash_there() -> None:
    other = run_of("2.13.0", arm("grad", peak=1), model="mlp-relu")
    page = version_pages([OLD, other])["grad_mode"]

    assert ["grad", "saved", "356,352 B", "-", ""] in rows(page)
    assert ["grad", "peak", "-", "1 B", ""] in rows(page)


def test_a_version_that_refuses_an_arm_says_so_and_has_not_changed_it() -> None:
    skipped = ArmResult(arm="grad", status="skipped", reason="torch refuses it")
    page = version_pages([run_of("2.0.1", skipped), NEW])["grad_mode"]

    assert ["grad", "saved", "skipped", "282,624 B", ""] in rows(page)


def test_seconds_are_never_put_side_by_side() -> None:
    page = version_pages([OLD, NEW])["grad_mode"]

    assert ["no\\_grad", "time / reference", "0.900 (better)", "0.800 (better)", ""] in rows(page)
    assert " us" not in page
    assert " ms" not in page


def test_each_question_has_a_page() -> None:
    freezing = run_of("2.13.0", arm("all trainable", peak=1), question="freezing")

    assert set(version_pages([OLD, freezing])) == {"grad_mode", "freezing"}


@pytest.mark.parametrize(
    "runs", [[], [OLD, OLD], [OLD, msgspec.structs.replace(NEW, environment=OLD.environment)]]
)
def test_two_runs_of_one_version_are_refused(runs: list[Run]) -> None:
    with pytest.raises(HarnessError, match=r"^each run has to be of another torch version; "):
        version_pages(runs)
