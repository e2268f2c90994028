"""The lines that call a model's modules from outside, and which of these calls recorded a graph."""

from pathlib import Path

import pytest
import torch
from torch import nn

from harness.measure.callers import outer_calls_of, records_graph, short_path

NET = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
BATCH = torch.ones(2, 4)


def evaluate() -> float:
    with torch.no_grad():
        return sum(NET(BATCH).sum().item() for _ in range(3))


def train() -> None:
    NET(BATCH).sum().backward()


def test_functions_are_told_with_how_many_of_their_calls_recorded_a_graph() -> None:
    with outer_calls_of(NET) as calls:
        evaluate()
        train()
        train()

    assert [(line.function, line.count) for line in calls.lines()] == [("train", 2), ("evaluate", 0)]
    assert {line.file for line in calls.lines()} == {"tests/measure/test_callers.py"}


def test_a_module_that_another_calls_is_no_call_from_outside() -> None:
    with outer_calls_of(nn.Sequential(NET)) as calls:
        train()

    assert [line.count for line in calls.lines()] == [1]


def test_a_view_of_a_parameter_without_a_graph_is_none() -> None:
    with torch.no_grad():
        view = nn.Flatten(0)(nn.Linear(4, 4).weight)

    assert view.requires_grad
    assert not records_graph(view)


def test_a_file_is_told_from_the_root_of_its_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path / "src")

    assert short_path(str(tmp_path / "src" / "nets.py")) == "src/nets.py"
    assert short_path("/home/somebody/nets.py") == "nets.py"
