"""A new metric in a unit of its own is seen everywhere, and no module of this project had to know it."""

import runs

from harness.judge.comparison import compare_runs
from harness.judge.listing import listing
from harness.judge.trend import trend
from harness.record.codec import decode_run, encode
from harness.record.schema import Metric, Run
from harness.report.exports import bencher, smaller_is_better
from harness.report.page import run_page
from harness.report.tables import case_tables, question_page
from harness.report.trend_text import trend_text
from harness.report.verdict_text import outcome_text
from harness.report.versions import version_pages

ENERGY = Metric("energy", "J", "lower", "exact", "joules of one step", everywhere=True)


def run_of(joules: int, metric: Metric = ENERGY, day: int = 1) -> Run:
    """Return a run of a day that has been written and read."""
    run = runs.run(
        runs.record(runs.case(), runs.arm("grad", energy=joules)),
        id=f"run-{day}",
        metrics=(*runs.METRICS, metric),
        environment=runs.environment(started=f"2026-01-0{day}T00:00:00+00:00"),
    )
    return decode_run(encode(run))


def test_a_table_has_its_column_though_no_question_lists_it() -> None:
    table = case_tables(run_of(1500))[0]

    assert table.headers[-1] == "energy"
    assert table.rows[0][-1] == "1,500 J"


def test_one_that_belongs_where_questions_list_it_is_not_in_other_tables() -> None:
    listed = Metric("energy", "J", "lower", "exact", "joules of one step")

    assert "energy" not in case_tables(run_of(1500, listed))[0].headers
    assert "1,500 J" in run_page(run_of(1500, listed))  # among all exact metrics


def test_documents_and_pages_show_it() -> None:
    assert "1,500 J" in question_page(run_of(1500), "grad_mode")
    assert "<td>1,500 J</td>" in run_page(run_of(1500))


def test_a_comparison_says_by_how_much_it_changed() -> None:
    outcome = compare_runs(listing(run_of(1500), "base"), listing(run_of(1800), "head"))

    assert "energy 1,500 J -> 1,800 J, +300 J (+20.0 %) (joules of one step)" in outcome_text(outcome)


def test_a_history_and_versions_show_it() -> None:
    history = trend([run_of(1500), run_of(1800, day=2)])

    assert "1,500 J -> 1,800 J (+20.0%)" in trend_text(history)
    assert "| 1,500 J |" in " ".join(version_pages([run_of(1500)])["grad_mode"].split())


def test_other_tools_get_it_under_its_own_unit() -> None:
    (measures,) = bencher([run_of(1500)]).values()

    assert measures["energy-j"] == {"value": 1500}
    assert ("grad_mode/mlp/eval/cpu-float32-b8: grad: energy", "J", 1500) in [
        (entry["name"], entry["unit"], entry["value"]) for entry in smaller_is_better([run_of(1500)])
    ]
