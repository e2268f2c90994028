"""What statements teach: texts in both languages, programs that print what is said, translated conditions."""

import re
from pathlib import Path

import pytest
import torch

from harness.claims.catalogue import every_claim
from harness.claims.language import language
from harness.claims.lessons import lesson_of, printed, texts
from harness.claims.record import ClaimResult, ClaimsRun, load_claims

_IDS = [claim.id for claim in every_claim()]
_PROGRAMS = [name for name in _IDS if texts()[name].get("program")]
_CHINESE = re.compile("[\u4e00-\u9fff]")


@pytest.fixture(scope="module")
def run() -> ClaimsRun:
    return load_claims(Path(__file__).parents[2] / "results" / "records" / "claims.json")


def test_every_statement_has_a_lesson_and_every_lesson_a_statement() -> None:
    assert sorted(texts()) == sorted(_IDS)


@pytest.mark.parametrize("name", _IDS)
def test_a_lesson_says_it_in_both_languages(name: str) -> None:
    text = texts()[name]
    for field in ("why", "practice", "fails"):
        assert _CHINESE.search(text[f"{field}_zh"])
        assert not _CHINESE.search(text[field])
    assert _CHINESE.search(text["statement_zh"])
    assert bool(text.get("quote")) == bool(text.get("quote_zh"))


@pytest.mark.parametrize("name", _IDS)
def test_why_takes_two_sentences(name: str) -> None:
    assert len(re.findall(r"\.(?: |$)", texts()[name]["why"])) == 2
    assert len(re.findall("。", texts()[name]["why_zh"])) == 2


@pytest.mark.parametrize("name", _PROGRAMS)
def test_a_program_prints_what_the_statement_says(name: str) -> None:
    torch.set_grad_enabled(True)
    assert printed(texts()[name]["program"].strip("\n")) == texts()[name]["prints"]


@pytest.mark.parametrize("name", _PROGRAMS)
def test_a_program_has_five_lines_at_most_beside_its_imports(name: str) -> None:
    lines = [
        line for line in lesson_of(name).program.splitlines() if not line.startswith(("import ", "from "))
    ]
    assert len(lines) <= 5
    assert max(map(len, lines)) <= 76  # a terminal's line, indented


def test_a_program_leaves_the_process_as_it_was() -> None:
    before = torch.get_rng_state()
    for name in _PROGRAMS:
        lesson_of(name)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled()


def test_every_statement_of_the_record_has_a_figure_or_a_program(run: ClaimsRun) -> None:
    assert [result.id for result in run.results if not (result.plots or result.lesson.program)] == []


def test_the_record_holds_the_lessons_as_they_are(run: ClaimsRun) -> None:
    assert [result.id for result in run.results if result.lesson != lesson_of(result.id)] == []


def test_every_condition_and_caption_of_the_record_is_translated(run: ClaimsRun) -> None:
    chinese = language("zh-CN")
    for result in run.results:
        assert len(result.lesson.captions) in (0, len(result.plots))
        assert bool(result.lesson.captions) == bool(result.plots)
        for _, conditions in chinese.conditions(result):
            for condition in conditions:
                assert _CHINESE.search(condition) or condition in _NAMES, (result.id, condition)
        assert result.section in chinese.sections
        assert result.verdict in chinese.verdicts
    assert run.plots
    assert [plot.name for plot in run.plots if not _CHINESE.search(chinese.caption_of(plot))] == []


_NAMES = {"SGD", "Adam", "AdamW"}


def test_a_statement_without_a_lesson_is_shown_as_it_was_measured() -> None:
    result = ClaimResult(id="X1", section="s", statement="A statement.", verdict="holds")
    assert language("zh-CN").statement_of(result) == "A statement."
    assert lesson_of("X1").program == ""
