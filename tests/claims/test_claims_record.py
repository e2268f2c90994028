"""Results of claims, written and read."""

from pathlib import Path

import pytest
from runs import environment

from harness.claims.language import language
from harness.claims.markdown import claims_markdown
from harness.claims.record import (
    Check,
    ClaimResult,
    ClaimsRun,
    Lesson,
    Number,
    Panel,
    Plot,
    Series,
    decode_claims,
    encode_claims,
    load_claims,
)
from harness.claims.report import claims_page
from harness.record.codec import UnreadableError

RUN = ClaimsRun(
    environment=environment(),
    seed=0,
    seeds=100,
    budget=0.6,
    results=(
        ClaimResult(
            id="D1",
            section="Differentiation",
            statement="s",
            verdict="holds when",
            condition="a; not: b",
            checks=(Check(says="x", holds=None, where="a"),),
            numbers=(
                Number(name="n", value=1.5, low=1.0, high=2.0, unit="ratio"),
                Number(name="t", text="done"),
            ),
            plots=(
                Plot(
                    name="D1",
                    caption="c",
                    panels=(
                        Panel(
                            title="t",
                            x_label="x",
                            y_label="y",
                            series=(Series(name="s", x=(1.0,), y=(2.0,)),),
                        ),
                    ),
                ),
            ),
        ),
    ),
)


def test_a_file_of_the_first_format_loads_and_is_shown() -> None:
    run = load_claims(Path(__file__).parents[1] / "golden" / "claims-1.json")
    assert [(result.id, result.verdict, result.lesson) for result in run.results] == [
        ("D1", "holds when", Lesson()),
        ("N2", "holds when", Lesson()),
    ]
    assert "- holds: peak bytes (mlp-relu" in claims_markdown(run, language("en"))
    assert "N2. \\`no\\_grad\\`" in claims_markdown(run, language("zh-CN"))
    assert "N2" in claims_page(run)


def test_what_was_written_is_read_back() -> None:
    assert decode_claims(encode_claims(RUN)) == RUN


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"{", "kept.json is not a file of claims: "),
        (b'{"schema": 1, "records": []}', "kept.json holds no claims; `harness claims --json FILE` writes"),
        (b'{"schema": 99, "results": []}', "kept.json has format 99, newer than 2"),
        (b'{"schema": 1, "results": [{"id": 3}]}', "kept.json is not a file of claims: "),
    ],
)
def test_a_file_of_something_else_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableError, match=reason.replace("(", r"\(")):
        decode_claims(data, "kept.json")
