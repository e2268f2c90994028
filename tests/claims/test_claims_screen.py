"""What a terminal shows of claims."""

from pathlib import Path

import msgspec
from rich.cells import cell_len
from runs import environment

from harness.claims.record import Bilingual, Check, ClaimResult, ClaimsRun, Lesson, load_claims
from harness.claims.screen import claims_text

_LESSON = Lesson(
    statement="导数等于一。",
    quote=Bilingual(zh="等于一", en="is one"),
    why=Bilingual(en="The chain rule. It is exact.", zh="链式法则。它是精确的。"),
    practice=Bilingual(en="Use it.", zh="用它。"),
    fails=Bilingual(en="At a kink.", zh="在尖点。"),
    program="with torch.no_grad():\n    print(1)",
    prints="1",
)
_ONE = ClaimResult(
    id="D1",
    section="Differentiation",
    statement="A derivative is one.",
    verdict="holds when",
    condition="y a scalar; not: y a vector",
    checks=(
        Check(says="seen", holds=True, where="y a scalar"),
        Check(says="refused", holds=False, where="y a vector"),
        Check(says="too few", holds=None, where="y a matrix"),
    ),
    lesson=_LESSON,
)
_NOT_RUN = ClaimResult(
    id="B1", section="Bayes", statement="A mode.", verdict="not run", reason="needs sklearn"
)
_RUN = ClaimsRun(environment=environment(), seed=0, seeds=100, budget=0.6, results=(_ONE, _NOT_RUN))


def _with(*results: ClaimResult) -> ClaimsRun:
    return msgspec.structs.replace(_RUN, results=results)


def test_one_statement_is_shown_with_its_evidence_its_reason_and_its_program() -> None:
    assert claims_text(_with(_ONE), 60) == (
        "D1. A derivative is one.\n"
        "导数等于一。\n"
        "The notes: 「等于一」\n"
        "  in English: is one\n"
        "\n"
        "holds when\n"
        "  yes  y a scalar: seen\n"
        "  no   y a vector: refused\n"
        "  ?    y a matrix: too few\n"
        "\n"
        "Why: The chain rule. It is exact.\n"
        "In practice: Use it.\n"
        "Where it fails: At a kink.\n"
        "\n"
        "    with torch.no_grad():\n"
        "        print(1)\n"
        "    -> 1\n"
    )


def test_one_that_was_not_run_says_why() -> None:
    assert claims_text(_with(_NOT_RUN), 60) == "B1. A mode.\n\nnot run\n  needs sklearn\n"


def test_many_checks_are_counted_and_one_of_each_kind_is_shown() -> None:
    many = tuple(Check(says=f"seen {n}", holds=n != 70, where="a", place=str(n)) for n in range(80))
    text = claims_text(_with(msgspec.structs.replace(_ONE, checks=many, condition="x")), 80)
    assert len(text.splitlines()) <= 40
    assert "no   seen 70" in text
    assert "holds: a (79 of 80)" in text
    assert "more checks: -v shows all" in text
    assert "seen 79" in claims_text(_with(msgspec.structs.replace(_ONE, checks=many)), 80, verbose=True)


def test_no_line_is_wider_than_the_terminal() -> None:
    long = msgspec.structs.replace(
        _ONE,
        statement="word " * 60,
        checks=tuple(Check(says="seen " * 40, holds=True, where="place " * 40) for _ in range(3)),
        lesson=msgspec.structs.replace(
            _LESSON, statement="说法" * 60, quote=Bilingual(zh="引" * 90, en="q " * 90)
        ),
    )
    for results in ((long,), (long, _NOT_RUN)):
        for verbose in (False, True):
            text = claims_text(_with(*results), 80, verbose=verbose)
            assert max(cell_len(line) for line in text.splitlines()) <= 80


def test_every_statement_of_the_record_fits_on_one_screen() -> None:
    run = load_claims(Path(__file__).parents[2] / "results" / "records" / "claims.json")
    for results in ((result,) for result in run.results):
        lines = claims_text(msgspec.structs.replace(run, results=results), 80).splitlines()
        assert len(lines) <= 38, results[0].id  # the session's own two lines beside it
        assert max(map(cell_len, lines)) <= 80, results[0].id
    whole = claims_text(run, 80).splitlines()
    assert len(whole) <= 40
    assert max(map(cell_len, whole)) <= 80


def test_a_few_are_a_table_with_the_count_first() -> None:
    assert claims_text(_RUN, 60) == (
        "2 statements: 1 holds when, 1 not run\n"
        "\n"
        "id    verdict     statement\n"
        "----  ----------  ---------------------\n"
        "D1    holds when  A derivative is one.\n"
        "                  -> holds: y a scalar\n"
        "                  -> not: y a vector\n"
        "                  -> undecided: y a matrix\n".replace(
            "---------------------", "------------------------"
        )
        + "B1    not run     A mode.\n"
        "                  -> needs sklearn\n"
    )


def test_very_many_take_a_line_each_and_those_that_hold_one_together() -> None:
    holding = tuple(
        msgspec.structs.replace(_ONE, id=f"H{number}", verdict="holds", condition="") for number in range(20)
    )
    others = tuple(msgspec.structs.replace(_ONE, id=f"W{number}") for number in range(25))
    lines = claims_text(_with(*holding, *others), 80).splitlines()
    assert lines[0] == "45 statements: 20 holds, 25 holds when"
    assert lines[2].startswith("holds: H0, H1, H2")
    assert "W3    holds when  A derivative is one." in lines
    assert len(lines) <= 40
