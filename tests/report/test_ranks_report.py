"""Times of ranks in words."""

import msgspec
import runs

from harness.record.schema import ArmResult, RankResult, World
from harness.report.ranks import rank_lines
from harness.report.tables import environment_lines


def of_ranks(*medians: float) -> ArmResult:
    ranks = tuple(
        RankResult(rank=rank, host="node", device="cpu", timings=runs.timed("x", [median]).timings)
        for rank, median in enumerate(medians)
    )
    return msgspec.structs.replace(runs.arm("all trainable"), ranks=ranks)


def test_few_ranks_are_named_one_by_one() -> None:
    assert list(rank_lines(of_ranks(0.003, 0.0025))) == [
        "all trainable, time of each rank, the slowest of a round counts: rank 0 3 ms, rank 1 2.5 ms"
    ]


def test_of_many_ranks_the_fastest_and_the_slowest_are_named() -> None:
    assert list(rank_lines(of_ranks(0.003, 0.0025, 0.003, 0.004, 0.003))) == [
        (
            "all trainable, time of each rank, the slowest of a round counts:"
            " from 2.5 ms (rank 1) to 4 ms (rank 3) on 5 ranks"
        )
    ]


def test_an_arm_of_one_process_has_no_such_line() -> None:
    assert list(rank_lines(runs.timed("grad", [0.001]))) == []


def test_the_environment_names_ranks_and_nodes() -> None:
    world = World(ranks=4, backend="nccl", nodes=("node1", "node2"))

    assert environment_lines(runs.environment(world=world))[0].endswith(
        "1 thread, AVX2; 4 ranks (nccl) on node1, node2"
    )
