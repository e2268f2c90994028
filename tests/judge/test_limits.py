"""Budgets and allowances: how they are written, and how each mistake is refused."""

import pytest
import runs

from harness.judge.limits import Allowance, Budget, LimitError, Limits, check_limits, read_limits

ARMS = [("grad_mode/mlp/eval", "grad"), ("freezing/lstm/train", "all frozen")]
METRICS = {metric.name: metric for metric in runs.METRICS}


def read(**tables: object) -> Limits:
    return read_limits({"tool": {"harness": {"gate": tables}}})


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("peak <= 512 MiB", 512 * 1024**2),
        ("peak<=4096", 4096),
        ("peak <= 4096 B", 4096),
        ("peak <= 1.5KiB", 1536),
        ("optimizer state <= 2 GiB", 2 * 1024**3),
    ],
)
def test_a_budget_is_a_metric_and_a_size(text: str, most: int) -> None:
    assert read(budgets={"*": [text]}).budgets == (Budget("*", text.partition("<=")[0].strip(), most, text),)


@pytest.mark.parametrize(
    ("text", "allowance"),
    [
        ("1%+4096", Allowance("*", "", 1.0, 4096, "1%+4096")),
        ("0.5 % + 4 KiB", Allowance("*", "", 0.5, 4096, "0.5 % + 4 KiB")),
        ("optimizer state 0%+8", Allowance("*", "optimizer state", 0.0, 8, "optimizer state 0%+8")),
    ],
)
def test_an_allowance_is_a_share_plus_bytes(text: str, allowance: Allowance) -> None:
    assert read(allowances={"*": text}).allowances == (allowance,)


def test_nothing_configured_allows_nothing() -> None:
    assert read_limits({}) == read_limits({"tool": {"ruff": {}}}) == Limits()


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"budget": {}}, "has no key 'budget'; there are budgets, allowances, unaccounted"),
        ({"budgets": ["peak <= 1"]}, "is not a table of case patterns"),
        ({"budgets": {"*": "peak < 1"}}, "is not written as in 'peak <= 512 MiB'"),
        ({"budgets": {"*": "peak <= -1"}}, "is not written as in"),
        ({"budgets": {"*": [7]}}, "holds 7, which is not text"),
        ({"allowances": {"*": "5%"}}, "is not written as in '1%+4096'"),
        ({"unaccounted": {"*": "5056"}}, "holds '5056', which is not a number of bytes"),
        ({"unaccounted": {"*": True}}, "holds True, which is not a number of bytes"),
    ],
)
def test_what_is_written_otherwise_is_refused(tables: dict[str, object], says: str) -> None:
    with pytest.raises(LimitError) as refused:
        read(**tables)

    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"budgets": {"gard_mode/*": "peak <= 1"}}, "pattern 'gard_mode/*' matches no case"),
        ({"allowances": {"*: none": "1%+0"}}, "pattern '*: none' matches no case"),
        ({"unaccounted": {"nothing": 8}}, "pattern 'nothing' matches no case; there is grad_mode/mlp/eval"),
        ({"budgets": {"*": "paek <= 1"}}, "metric 'paek' is not there; there are peak, saved"),
        ({"budgets": {"*": "rss <= 1"}}, "metric 'rss' is witness, and only exact ones are gated"),
        ({"allowances": {"*": "time 1%+0"}}, "metric 'time' is noisy, and only exact ones are gated"),
    ],
)
def test_a_limit_of_nothing_is_refused(tables: dict[str, object], says: str) -> None:
    with pytest.raises(LimitError) as refused:
        check_limits(read(**tables), ARMS, METRICS)

    assert says in str(refused.value)


def test_a_pattern_is_of_cases_or_of_one_arm() -> None:
    check_limits(read(budgets={"freezing/*": "peak <= 1", "*: grad": "peak <= 1"}), ARMS, METRICS)
