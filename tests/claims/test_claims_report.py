"""What people see of claims, from data alone."""

import re
from pathlib import Path

import msgspec
import pytest
from runs import environment

from harness.claims.catalogue import every_claim
from harness.claims.evidence import number_text
from harness.claims.language import language
from harness.claims.markdown import claims_markdown
from harness.claims.plots import plot_element, plot_file
from harness.claims.record import (
    Bilingual,
    Check,
    ClaimResult,
    ClaimsRun,
    Lesson,
    Number,
    Panel,
    Plot,
    Series,
    decode_claims,
)
from harness.claims.report import claims_page, claims_tables, document

pytestmark = pytest.mark.process

_PLOT = Plot(
    name="D1",
    caption="What is seen.",
    panels=(
        Panel(
            title="errors",
            x_label="step (1)",
            y_label="error (1)",
            y_scale="log",
            series=(
                Series(name="test", x=(1.0, 2.0), y=(3.0, 4.0), low=(2.0, 3.0), high=(4.0, 5.0)),
                Series(name="training", x=(1.0, 2.0), y=(2.0, 1.0)),
            ),
        ),
    ),
)
_RUN = ClaimsRun(
    environment=environment(),
    seed=0,
    seeds=100,
    budget=0.6,
    command="harness claims",
    results=(
        ClaimResult(
            id="D1",
            section="Differentiation",
            statement="A derivative is <b>one</b>.",
            verdict="holds when",
            condition="y a scalar; not: y a vector",
            method="It was run.",
            checks=(
                Check(says="seen|here", holds=True, where="y a scalar"),
                Check(says="refused", holds=False, where="y a vector"),
            ),
            numbers=(Number(name="error", value=0.5, low=0.25, high=1.0, unit="ratio"),),
            plots=(_PLOT,),
            lesson=Lesson(
                statement="导数等于一。",
                quote=Bilingual(zh="等于<b>一", en="is <b>one"),
                why=Bilingual(en="It is exact.", zh="它是精确的。"),
                program="print(1)  # ```",
                prints="1",
                places=(("y a scalar", "y 是标量"),),
                captions=("看到的。",),
            ),
            reproduce="harness claims D1",
            seconds=1.2,
        ),
        ClaimResult(
            id="B1",
            section="Bayes",
            statement="A mode is a fit.",
            verdict="not run",
            reason="needs scikit-learn",
        ),
    ),
)


ENGLISH, CHINESE = language("en"), language("zh-CN")


def test_the_document_has_the_table_the_plot_and_how_to_measure_again() -> None:
    text = claims_markdown(_RUN, ENGLISH)
    assert "**2 statements: 1 holds when, 1 not run**" in text
    assert "A derivative is &lt;b&gt;one&lt;/b&gt;." in text
    assert "![What is seen.](claims/D1.svg)" in text
    assert "Again: `harness claims D1` (1 s)." in text
    assert "seen\\|here" in text
    assert "0.500 \\[0.250, 1.000\\]" in text
    assert "<b>" not in text


def test_the_page_fetches_nothing_and_interprets_nothing() -> None:
    text = claims_page(_RUN)
    assert "&lt;b&gt;one" in text
    assert "<b>one" not in text
    assert text.count("<svg") == 1
    assert "<script" not in text
    assert 'src="http' not in text


def test_an_interrupted_session_says_so() -> None:
    run = msgspec.structs.replace(_RUN, complete=False)
    assert "interrupted" in claims_markdown(run, ENGLISH)
    assert "interrupted" in claims_page(run)


def test_conditions_stand_below_the_statement_in_the_table_and_one_by_one_below_the_verdict() -> None:
    lines = claims_markdown(_RUN, ENGLISH).splitlines()
    (row,) = [line for line in lines if line.startswith("| D1")]
    below = lines[lines.index(row) + 1 : lines.index(row) + 3]
    assert [line.strip("| ") for line in below] == ["- holds: y a scalar", "- not: y a vector"]
    at = lines.index("**holds when**")
    assert lines[at + 2 : at + 4] == ["- holds: y a scalar", "- not: y a vector"]


def test_a_statement_is_quoted_explained_and_shown_by_a_program() -> None:
    text = claims_markdown(_RUN, ENGLISH)
    assert "导数等于一。" in text
    assert "The notes: 「等于&lt;b&gt;一」 (is &lt;b&gt;one)" in text
    assert "**Why**: It is exact." in text
    assert "````python\nprint(1)  # ```\n````" in text
    assert "```text\n1\n```" in text


def test_the_chinese_document_has_the_same_in_chinese_and_leaves_evidence_to_the_other() -> None:
    text = claims_markdown(_RUN, CHINESE)
    assert text.startswith("# 关于梯度")
    assert "**2 条说法：有条件成立 1 条，未运行 1 条**" in text
    assert "### D1. 导数等于一。" in text
    assert "- 成立：y 是标量" in text
    assert "- 不成立：y a vector" in text
    assert "**为什么**：它是精确的。" in text
    assert "![看到的。](claims/D1.svg)" in text
    assert "seen" not in text
    assert "### B1. A mode is a fit." in text


def test_both_documents_and_the_plots_are_tables_of_the_record() -> None:
    assert sorted(claims_tables(_RUN)) == ["claims.md", "claims.zh-CN.md", "claims/D1.svg"]


def test_counts_name_only_the_verdicts_there_are() -> None:
    assert ENGLISH.count(["holds when", "not run"]) == "2 statements: 1 holds when, 1 not run"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Number(name="", value=2.5e-6, unit="s"), "2.5 us"),
        (Number(name="", value=2048, unit="B"), "2 KiB"),
        (Number(name="", value=0.77, low=0.64, unit="share"), "77 % [64 %, -]"),
        (Number(name="", value=1.5e7, unit="ratio"), "1.5e+07"),
        (Number(name="", text="refused"), "refused"),
        (Number(name=""), "-"),
    ],
)
def test_a_number_is_shown_with_its_unit(number: Number, text: str) -> None:
    assert number_text(number) == text


def test_a_plot_is_the_same_bytes_every_time_and_has_no_date() -> None:
    assert plot_file(_PLOT) == plot_file(_PLOT)
    assert "dc:date" not in plot_file(_PLOT)


def test_no_panel_of_a_page_has_a_ground_of_its_own() -> None:
    two = msgspec.structs.replace(_PLOT, panels=2 * _PLOT.panels)
    for plot in (_PLOT, two):
        drawn = re.sub(r"<defs>.*?</defs>", "", plot_element(plot), flags=re.DOTALL)
        assert "fill: #ffffff" not in drawn


RECORD = Path(__file__).parents[2] / "results" / "records" / "claims.json"


@pytest.mark.slow
def test_the_page_of_the_committed_record_is_the_same_bytes_every_time() -> None:
    assert document(RECORD).forms["html"]() == document(RECORD).forms["html"]()


@pytest.mark.parametrize("name", ["N2", "N3", "W9"])  # bars, points, and lines
def test_the_page_of_a_committed_claim_is_the_same_bytes_every_time(name: str) -> None:
    whole = decode_claims(RECORD.read_bytes())
    run = msgspec.structs.replace(whole, results=tuple(one for one in whole.results if one.id == name))
    page = claims_page(run)
    assert page == claims_page(run)
    assert page.count("<svg") == 1


def test_the_page_of_the_committed_record_shows_every_claim() -> None:
    page = document(RECORD).forms["html"]()
    assert page.count('<article id="') == len(every_claim())
    assert page.count("<pre>") + page.count("<figure>") >= len(every_claim())


def test_every_kind_of_mark_is_drawn() -> None:
    bars = Series(name="time", x=(0.5, 1.0), y=(0.0, 1.0), low=(0.4, 0.9), high=(0.6, 1.1), mark="bars")
    points = Series(
        name="all",
        x=(1.0, 1.3),
        y=(5.0, 5.1),
        low=(4.0, 5.0),
        high=(6.0, 5.2),
        labels=("a", "b"),
        mark="points",
    )
    rows = Panel(title="", x_label="share", y_label="", series=(bars,), ticks=("one", "two"), line=1.0)
    cloud = Panel(title="", x_label="time", y_label="gain (%)", series=(points,), x_scale="log", level=0.0)
    text = plot_file(Plot(name="p", caption="", panels=(rows, cloud)))
    assert text.count("<!-- one -->") == 1
    assert text.count("<!-- a -->") == 1
