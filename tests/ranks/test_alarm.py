"""Who is told to be late, of reports made of literals; and a failure that one rank leaves for the other."""

import traceback
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from harness.ranks.alarm import Alarm, Report, in_torch, late_ranks, stuck_sentence
from harness.ranks.place import Place


def report(rank: int, moves: int, *, waits: bool) -> Report:
    return Report(
        rank=rank,
        name=f"rank {rank} (host)",
        stage="timing",
        moves=moves,
        waits=waits,
        text=f"stack {rank}\n",
    )


def test_the_rank_that_came_least_far_is_late() -> None:
    assert [late.rank for late in late_ranks([report(0, 7, waits=True), report(1, 6, waits=True)])] == [1]


def test_of_those_at_one_place_the_one_outside_torch_is_late() -> None:
    reports = [report(0, 7, waits=True), report(1, 7, waits=False), report(2, 7, waits=True)]

    assert stuck_sentence(reports, 3, 10) == (
        "rank 1 (host) while timing did not get on; the others waited for 10 s (--time-limit)",
        "rank 1 (host) is at\nstack 1\n",
    )


def test_where_all_wait_all_are_named() -> None:
    sentence, text = stuck_sentence([report(1, 7, waits=True), report(0, 7, waits=True)], 2, 10)

    assert (
        sentence
        == "no rank got on for 10 s (--time-limit): rank 0 (host) while timing and rank 1 (host) while timing"
    )
    assert text == "rank 0 (host) is at\nstack 0\nrank 1 (host) is at\nstack 1\n"


def test_a_rank_that_reports_nothing_is_named_before_all_others() -> None:
    sentence, text = stuck_sentence([report(0, 7, waits=True), report(2, 6, waits=False)], 3, 10)

    assert sentence == (
        "rank 1 gave no sign: stopped, or its process is gone; the others waited for 10 s (--time-limit)"
    )
    assert text == ""


def test_code_of_torch_is_told_from_a_users() -> None:
    def frame(file: str) -> traceback.FrameSummary:
        return traceback.FrameSummary(file, 1, "f", line="")

    inside = str(Path(torch.__file__).parent / "autograd" / "graph.py")

    assert in_torch([frame("model.py"), frame(inside)])
    assert not in_torch([frame(inside), frame("model.py")])


@dataclass(slots=True)
class DictStore:
    """A store in this process."""

    values: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def set(self, key: str, value: str) -> None:
        self.values[key] = value

    def get(self, key: str) -> bytes:
        return self.values[key].encode()

    def add(self, key: str, amount: int) -> int:
        self.counts[key] = self.counts.get(key, 0) + amount
        return self.counts[key]


def test_rank_0_tells_of_the_first_failure_and_not_of_what_came_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("harness.ranks.alarm._LINGER_S", 0)
    told: list[tuple[str, str]] = []
    store = DictStore()
    second = Alarm(Place(1, 2, 1, 2, "host"), store, 10, lambda *_: None)
    second.at("timing, round 3")
    second.failed(KeyError("planted"))
    store.counts["told"] = 0  # its own word is not what is tested
    first = Alarm(Place(0, 2, 0, 2, "host"), store, 10, lambda *said: told.append(said))
    first.failed(RuntimeError("Connection closed by peer"))
    second.stop()
    first.stop()

    ((sentence, text),) = told
    assert sentence.startswith("rank 1 (host, process ")
    assert sentence.endswith(") failed while timing, round 3: KeyError: 'planted'")
    assert text == "KeyError: 'planted'\n"
