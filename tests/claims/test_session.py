"""From ids to files: unknown ids, missing packages, interruption, what is written."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.claims import session as sessions
from harness.claims.catalogue import UnknownClaimError, find
from harness.claims.claim import Lab
from harness.claims.record import decode_claims
from harness.claims.run import put_to_the_test
from harness.claims.session import ClaimsSession
from harness.commands import app

pytestmark = pytest.mark.process

LAB = Lab(budget=0.05, seeds=8, models=("mlp-relu",), timed=("mlp-relu",))


def test_an_unknown_id_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownClaimError, match="no claim 'X9'; there are D1, D2, D3, N1"):
        find(["D1", "X9"])


def test_ids_are_taken_in_any_case_and_order_and_once() -> None:
    assert [claim.id for claim in find(["n4", "D2", "N4"])] == ["D2", "N4"]


def test_without_scikit_learn_the_claims_that_need_it_are_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sklearn" else real(name))
    results = {name: put_to_the_test(find([name])[0], LAB) for name in ("W5", "W6", "W12", "B1", "F3")}
    assert {name: result.verdict for name, result in results.items()} == {
        "W5": "not run",
        "W6": "not run",
        "W12": "not run",
        "B1": "not run",
        "F3": "holds",
    }
    assert results["B1"].reason == "needs scikit-learn: pip install scikit-learn"


def test_a_workload_that_cannot_be_built_is_not_run_with_the_reason() -> None:
    result = put_to_the_test(find(["N1"])[0], Lab(models=("no-such-model",)))
    assert result.verdict == "not run"
    assert "no model 'no-such-model'" in result.reason


def test_what_was_measured_before_an_interruption_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sessions.put_all_to_the_test

    def interrupted(claims: Any, lab: Any, keep: Any, tell: Any) -> Any:
        def tell_or_stop(place: int, claim: Any) -> None:
            tell(place, claim)
            if claim.id == "F3":
                raise KeyboardInterrupt

        return real(claims, lab, keep, tell_or_stop)

    monkeypatch.setattr(sessions, "put_all_to_the_test", interrupted)
    result = CliRunner().invoke(app, ["claims", "N4", "F3", "W1", "--results", str(tmp_path)])
    assert result.exit_code == 130
    assert result.stdout.startswith("N4. It is temporary")
    assert "interrupted: what was measured is in" in result.stderr
    kept = decode_claims((tmp_path / "runs" / "claims" / "claims.json").read_bytes())
    assert [(one.id, one.verdict) for one in kept.results] == [("N4", "holds")]
    assert kept.complete is False


def test_a_few_claims_leave_the_document_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "claims.md").write_text("as it was", encoding="utf-8")
    session = ClaimsSession.plan(["D1", "W4"], LAB, tmp_path, tmp_path / "kept.json")
    run = session.measure(lambda _place, _claim: None)
    written = session.publish(run, tmp_path / "page.html")
    assert written == (tmp_path / "kept.json", tmp_path / "page.html")
    assert (tmp_path / "claims.md").read_text(encoding="utf-8") == "as it was"
    assert decode_claims((tmp_path / "kept.json").read_bytes()) == run
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert "harness claims W4" in page


def test_results_of_all_claims_become_the_document_and_its_plots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = find(["D2", "W4"])
    monkeypatch.setattr(sessions, "every_claim", lambda: chosen)
    session = ClaimsSession(chosen, LAB, tmp_path, tmp_path / "kept.json")
    session.publish(session.measure(lambda _place, _claim: None), None)
    assert sorted(path.name for path in (tmp_path / "claims").iterdir()) == ["D2.svg", "W4.svg"]
    document = (tmp_path / "claims.md").read_text(encoding="utf-8")
    assert "**2 statements: 2 holds**" in document
    assert "(claims/W4.svg)" in document
    chinese = (tmp_path / "claims.zh-CN.md").read_text(encoding="utf-8")
    assert "**2 条说法：成立 2 条**" in chinese
