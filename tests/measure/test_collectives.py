"""Bytes of collectives, from records of operators as torch writes them."""

from typing import Any

import pytest

from harness.measure.collectives import sent_of


def tensor(elements: int, size: int) -> list[Any]:
    return [1, 2, 0, elements, size, "cpu"]


def node(name: str, *inputs: object) -> dict[str, Any]:
    return {"name": name, "inputs": {"values": list(inputs), "shapes": [], "types": []}}


@pytest.mark.parametrize(
    ("recorded", "found"),
    [
        (node("c10d::allreduce_", [tensor(100, 4)], "<Object>"), {"all-reduced": 400}),
        (node("c10d::allreduce_", [tensor(100, 2), tensor(7, 8)]), {"all-reduced": 256}),
        (node("c10d::_allgather_base_", tensor(64, 4), tensor(32, 4)), {"all-gathered": 256}),
        (node("c10d::_reduce_scatter_base_", tensor(32, 2), tensor(64, 2)), {"reduce-scattered": 128}),
        (node("c10d::broadcast_", [tensor(1, 8)], "<Object>", 0), {"broadcast": 8}),
        (node("c10d::alltoall_base_", tensor(8, 4), tensor(8, 4)), {"otherwise sent": 64}),
    ],
)
def test_a_collective_counts_its_whole_buffer(recorded: dict[str, Any], found: dict[str, int]) -> None:
    assert sent_of([recorded]) == {**found, "sent": sum(found.values())}


def test_what_a_backend_does_with_a_collective_is_not_counted_again() -> None:
    nodes = [node("c10d::allreduce_", [tensor(100, 4)]), node("gloo:all_reduce", tensor(100, 4))]

    assert sent_of(nodes) == {"all-reduced": 400, "sent": 400}


def test_a_barrier_sends_nothing() -> None:
    assert sent_of([node("c10d::barrier", tensor(0, 1)), node("aten::add", tensor(9, 4))]) == {"sent": 0}


def test_the_record_of_older_torch_is_read_too() -> None:
    recorded = {"name": "c10d::allreduce_", "inputs": [[tensor(100, 4)], "<Object>"], "input_types": []}

    assert sent_of([recorded]) == {"all-reduced": 400, "sent": 400}
