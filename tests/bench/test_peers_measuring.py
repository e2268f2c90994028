"""Taking turns, failures that become reasons, and reading what other tools print."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.peers.measuring import read_peers, time_peers, turns
from bench.peers.time_pyperf import says_significant
from bench.peers.time_pytest_benchmark import alarms_in, stats_in
from bench.peers.time_torch_timer import tells_apart
from bench.peers.tool import MemoryPeer, PeerError, StatisticOutcome, TimingPeer, version_of
from bench.peers.work import forward, peak_by_hand
from harness.measure.ledger import ledger
from harness.workload.model import Model

pytestmark = pytest.mark.process


def peer(
    tool: str, compare: Callable[[float, int], tuple[StatisticOutcome, ...]], trials: int = 3
) -> TimingPeer:
    return TimingPeer(tool, "msgspec", "copies", (("median", "never"),), trials, compare)


def none_found(_seconds: float, _seed: int) -> tuple[StatisticOutcome, ...]:
    return (StatisticOutcome(0.01, alarm=False, timed_s=0.9),)


def test_everybody_gets_as_many_turns_as_asked_spread_over_the_whole() -> None:
    order = turns([6, 2, 0])
    assert sorted(order) == [0] * 6 + [1] * 2
    assert [order.index(1), order[::-1].index(1)] == [2, 1]  # neither first nor last


def test_every_tool_is_run_its_own_number_of_times_unless_told() -> None:
    steps: list[None] = []
    rows = time_peers(
        [peer("a", none_found, 3), peer("b", none_found, 1)], 1.0, 0, lambda: steps.append(None)
    )
    assert [len(row.trials) for row in rows] == [3, 1]
    assert len(steps) == 4
    told = time_peers([peer("a", none_found, 3), peer("b", none_found, 1)], 1.0, 2, lambda: None)
    assert [len(row.trials) for row in told] == [2, 2]


def test_a_tool_that_fails_keeps_what_it_gave_and_its_reason_and_stops_nobody() -> None:
    def fails_at_the_second(_seconds: float, _seed: int) -> tuple[StatisticOutcome, ...]:
        calls.append(None)
        if len(calls) == 2:
            raise PeerError("it broke")
        return none_found(0, 0)

    calls: list[None] = []
    first, second = time_peers([peer("a", fails_at_the_second), peer("b", none_found)], 1.0, 0, lambda: None)
    assert (len(first.trials), first.reason, len(calls)) == (1, "it broke", 2)
    assert (len(second.trials), second.reason) == (3, "")


def test_a_mistake_of_the_comparison_itself_is_no_reason() -> None:
    def wrong(_seconds: float, _seed: int) -> tuple[StatisticOutcome, ...]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        time_peers([peer("a", wrong)], 1.0, 0, lambda: None)


def test_a_tool_that_is_not_installed_has_rows_that_say_so() -> None:
    gone = TimingPeer("gone", "no-such-distribution", "copies", (("a", ""), ("b", "")), 3, none_found)
    rows = time_peers([gone], 1.0, 0, lambda: None)
    assert [(row.statistic, row.trials) for row in rows] == [("a", ()), ("b", ())]
    assert rows[0].reason == (
        "no-such-distribution is not installed here; `pip install --group peers` brings it"
    )
    with pytest.raises(PeerError, match="not installed"):
        version_of("no-such-distribution")


@pytest.mark.usefixtures("own_threads")
def test_a_memory_tool_that_is_not_installed_has_a_row_a_size_that_says_so() -> None:
    gone = MemoryPeer("gone", "no-such-distribution", "nothing", "no.such.module")
    steps: list[None] = []
    rows = read_peers([gone], (1, 2), 3, lambda: steps.append(None))
    assert [(row.batch_size, row.exact, row.readings) for row in rows] == [(1, 6144, ()), (2, 12288, ())]
    assert all("not installed" in row.reason for row in rows)
    assert len(steps) == 2


def test_an_interrupt_keeps_what_was_finished() -> None:
    def interrupted(_seconds: float, seed: int) -> tuple[StatisticOutcome, ...]:
        if seed:
            raise KeyboardInterrupt
        return none_found(0, 0)

    (row,) = time_peers([peer("a", interrupted)], 1.0, 0, lambda: None)
    assert len(row.trials) == 1


def test_regressions_are_read_from_what_pytest_benchmark_prints() -> None:
    output = (
        "ERROR: Performance has regressed:\n"
        "\tt.py::test - Field 'median' has failed PercentageRegressionCheck: 7.1 > 5.0\n"
        "\tt.py::test - Field 'mean' has failed PercentageRegressionCheck: 9.0 > 5.0\n"
    )
    assert alarms_in(output) == {"median", "mean"}
    assert alarms_in("1 passed") == set()


def test_seconds_timed_count_every_call_of_every_round(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(
        '{"benchmarks": [{"stats": {"median": 1e-3, "min": 9e-4, "mean": 1.1e-3, "total": 0.05,'
        ' "iterations": 10, "rounds": 50}}], "version": "5"}',
        encoding="utf-8",
    )
    assert stats_in(path).timed_s == pytest.approx(0.5)


def test_a_file_without_its_one_benchmark_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(PeerError, match="no JSON"):
        stats_in(path)
    path.write_text('{"benchmarks": []}', encoding="utf-8")
    with pytest.raises(PeerError, match="0 benchmarks instead of one"):
        stats_in(path)


def test_a_row_of_which_one_cell_is_best_is_told_apart() -> None:
    best = "\033[92m\033[1m  71.2  \033[0m\033[0m"
    assert not tells_apart(f"forward |{best}|{best}")
    assert tells_apart(f"forward |{best}|\033[34m\033[1m  73.2  \033[0m\033[0m")


def test_pyperf_prints_a_ratio_only_where_it_is_significant() -> None:
    assert says_significant("Mean +- std dev: [a] 71.2 us +- 0.1 us -> [b] 73.0 us: 1.03x slower")
    assert not says_significant("Benchmark hidden because not significant (1): forward")


@pytest.fixture
def own_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("own_threads")
@pytest.mark.parametrize("batch_size", [1, 8, 33])
def test_the_exact_ledger_reads_the_peak_that_is_counted_by_hand(batch_size: int) -> None:
    model = forward(batch_size)
    assert peak_by_hand(model, batch_size) == ledger(model).peak_bytes == 3 * 512 * 4 * batch_size


def test_the_peak_of_another_model_is_not_made_up() -> None:
    with pytest.raises(ValueError, match="worked out for"):
        peak_by_hand(Model(nn.Sequential(nn.Linear(2, 2)), (torch.zeros(1, 2),)), 1)
