"""The markdown of a pull request: short enough, in order, and text from files stays text."""

import re

import runs
from markdown_it import MarkdownIt

from harness.judge.comparison import compare_runs
from harness.judge.finding import Outcome
from harness.judge.listing import listing
from harness.report.comparison_page import comparison_page
from harness.report.summary import COMMENT_LIMIT, summary
from harness.report.verdict_text import outcome_text


def outcome(base: runs.Run, head: runs.Run) -> Outcome:
    return compare_runs(listing(base, "base.json"), listing(head, "head.json"))


def many(changed: int) -> Outcome:
    base = runs.run(*(runs.record(runs.case(f"model-{n:04}"), runs.arm()) for n in range(changed)))
    head = runs.run(
        *(runs.record(runs.case(f"model-{n:04}"), runs.arm(peak=5000 + n)) for n in range(changed))
    )
    return outcome(base, head)


def rendered(text: str) -> str:
    return MarkdownIt("js-default", {"html": True, "linkify": False}).enable("table").render(text)


def test_the_verdict_comes_first_then_counts_table_and_folds() -> None:
    text = summary([outcome(*runs.regressed())])
    places = [
        text.index(part)
        for part in ("### FAIL: ", "equal, ", "| case |", "How to reproduce", "The rest", "What was measured")
    ]

    assert places == sorted(places)
    assert text.startswith("### FAIL: ")


def test_five_hundred_changed_rows_stay_under_the_limit_and_say_what_was_left_out() -> None:
    text = summary([many(500)])
    shown = len(re.findall(r"^\| worse \|", text, re.MULTILINE))
    left = re.search(r"([\d,]+) of 500 changed rows are left out for length", text)

    assert len(text.encode()) <= COMMENT_LIMIT
    assert left is not None
    assert shown + int(left[1]) == 500
    assert shown > 200


def test_a_short_limit_is_kept_whatever_the_rows() -> None:
    for limit in (2000, 5000, 20000):
        assert len(summary([many(300)], limit).encode()) <= limit


def test_what_changed_most_comes_first() -> None:
    text = summary([many(3)])

    assert text.index("| grad\\_mode/model-0002/") < text.index("| grad\\_mode/model-0000/")


def test_a_hostile_name_is_shown_and_makes_no_markup() -> None:
    page = rendered(summary([outcome(*runs.regressed())]))

    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; @everyone #1 `x` www.example.org" in page
    widths = {row.count("<td") for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if "<td" in row}
    assert widths == {8}


def test_a_hostile_name_mentions_nobody_and_links_nothing() -> None:
    text = re.sub(r"(`+)\S.*?\1", "", summary([outcome(*runs.regressed())]))  # in code nothing is looked for

    assert "everyone" in text
    assert "@everyone" not in text
    assert "#1" not in text
    assert "www.example" not in text


def test_the_page_escapes_a_hostile_name() -> None:
    page = comparison_page([outcome(*runs.regressed())])

    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_terminal_gets_no_control_characters() -> None:
    base = runs.run(runs.record(runs.case("a\x1b[2Jb"), runs.arm()))
    head = runs.run(runs.record(runs.case("a\x1b[2Jb"), runs.arm(peak=1)))
    text = outcome_text(outcome(base, head))

    assert "\x1b" not in text
    assert r"a\x1b[2Jb" in text


def test_a_command_to_reproduce_quotes_a_hostile_name() -> None:
    head = runs.run(runs.record(runs.case("$(touch x); y"), runs.arm(peak=1)), command="harness measure it")
    base = runs.run(runs.record(runs.case("$(touch x); y"), runs.arm()))

    page = rendered(summary([outcome(base, head)]))
    assert "harness measure '$(touch x); y' --question grad_mode --device cpu --dtype float32" in page


def test_a_run_of_pytest_is_reproduced_by_pytest() -> None:
    page = rendered(summary([many(1)]))

    assert (
        "pytest bench --harness-models model-0000 --harness-device cpu --harness-dtype float32"
        " --harness-batch-size 8 --harness-threads 1 --harness-budget 0 -k grad_mode" in page
    )
