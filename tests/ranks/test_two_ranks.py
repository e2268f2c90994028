"""Two gloo ranks on this machine: what DDP and FSDP2 send and hold, byte by byte; one launch for all."""

import dataclasses
import sys

import pytest
from quick_python import quick_python

from harness.ranks.launch import launched
from harness.ranks.place import RanksError
from harness.ranks.session import RankRequest
from harness.record.schema import ArmResult, Case, Record, Run

pytestmark = pytest.mark.process

DDP = Case(question="ranks", model="mlp-relu", batch_size=0, mode="train", variant="ddp-2-ranks")
FSDP2 = dataclasses.replace(DDP, variant="fsdp2-2-ranks")
WITH_BUFFERS = dataclasses.replace(DDP, model="convnet")

# 256-512-512-10 in float32; the last layer is the head.
ALL = 4 * (256 * 512 + 512 + 512 * 512 + 512 + 512 * 10 + 10)
HEAD = 4 * (512 * 10 + 10)
SECOND = 4 * (512 * 512 + 512)


@pytest.fixture(scope="session")
def run() -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", quick_python())
        request = RankRequest(cases=(DDP, FSDP2, WITH_BUFFERS), budget=0.05)
        try:
            return launched(request, 2, limit=120)
        except RanksError as error:  # seen once in some hundred launches; what is said of it is kept
            print(error, file=sys.__stderr__)
            return launched(request, 2, limit=120)


def record(run: Run, case: Case) -> Record:
    return next(
        record
        for record in run.records
        if (record.case.model, record.case.variant) == (case.model, case.variant)
    )


def arm(run: Run, case: Case, name: str) -> ArmResult:
    found = record(run, case).arm(name)
    assert found is not None
    assert (found.status, found.reason) == ("ok", "")
    return found


def test_the_literals_are_the_models() -> None:
    assert (ALL, HEAD, ALL - HEAD) == (1_597_480, 20_520, 1_576_960)


@pytest.mark.parametrize(
    ("name", "sent"),
    [("all trainable", 1_597_480), ("trunk frozen", 20_520), ("two decay groups", 1_597_480)],
)
def test_ddp_reduces_the_bytes_of_the_trainable_parameters(run: Run, name: str, sent: int) -> None:
    counts = arm(run, DDP, name).counts

    assert counts["all-reduced"] == counts["sent"] == counts["trainable"] == sent


def test_freezing_cuts_what_ddp_sends_by_the_frozen_parameters_bytes(run: Run) -> None:
    sent = [arm(run, DDP, name).counts["sent"] for name in ("all trainable", "trunk frozen")]

    assert sent[0] - sent[1] == 1_576_960


def test_ddp_also_sends_buffers_which_freezing_does_not_cut(run: Run) -> None:
    trained, frozen = (arm(run, WITH_BUFFERS, name).counts for name in ("all trainable", "trunk frozen"))

    # running mean and variance of 16 channels, and the count of batches
    assert trained["broadcast"] == frozen["broadcast"] == 2 * 16 * 4 + 8
    assert trained["all-reduced"] - frozen["all-reduced"] == 4 * (3 * 16 * 9 + 16 + 2 * 16)
    assert trained["sent"] == trained["all-reduced"] + trained["broadcast"]


def test_a_rank_holds_all_under_ddp_and_half_under_fsdp2(run: Run) -> None:
    under_ddp, under_fsdp2 = (arm(run, case, "all trainable").counts for case in (DDP, FSDP2))

    assert (under_ddp["parameters"], under_ddp["gradients"]) == (ALL, ALL)
    assert (under_fsdp2["parameters"], under_fsdp2["gradients"]) == (ALL // 2, ALL // 2)
    # AdamW keeps two values a parameter, and a count of steps for each of six tensors
    assert under_ddp["optimizer state"] == 2 * ALL + 6 * 4
    assert under_fsdp2["optimizer state"] == ALL + 6 * 4


def test_a_frozen_trunk_has_gradients_and_state_of_the_head_alone(run: Run) -> None:
    under_ddp, under_fsdp2 = (arm(run, case, "trunk frozen").counts for case in (DDP, FSDP2))

    assert (under_ddp["gradients"], under_ddp["optimizer state"]) == (HEAD, 2 * HEAD + 2 * 4)
    assert (under_fsdp2["gradients"], under_fsdp2["optimizer state"]) == (HEAD // 2, HEAD + 2 * 4)


def test_fsdp2_gathers_twice_and_scatters_once(run: Run) -> None:
    counts = arm(run, FSDP2, "all trainable").counts

    assert (counts["all-gathered"], counts["reduce-scattered"]) == (2 * ALL, ALL)
    assert counts["sent"] == 3 * ALL


def test_freezing_cuts_what_fsdp2_scatters_and_little_of_what_it_gathers(run: Run) -> None:
    counts = arm(run, FSDP2, "trunk frozen").counts

    assert counts["reduce-scattered"] == HEAD
    # forward all; backward the head, and the layer before it, which is prefetched and not needed
    assert counts["all-gathered"] == ALL + HEAD + SECOND


def test_both_ranks_timed_the_same_rounds_and_the_slower_one_counts(run: Run) -> None:
    for case in (DDP, FSDP2):
        found = arm(run, case, "trunk frozen")
        first, second = (rank.timings[0] for rank in found.ranks)

        assert [rank.rank for rank in found.ranks] == [0, 1]
        assert first.calls == second.calls == found.timings[0].calls
        assert found.timings[0].arm == tuple(
            tuple(map(max, *layouts)) for layouts in zip(first.arm, second.arm, strict=True)
        )
        assert [samples.metric for samples in found.timings] == [
            "time",
            "forward time",
            "backward time",
            "optimizer time",
        ]


def test_the_groups_are_those_of_the_optimizer(run: Run) -> None:
    for case in (DDP, FSDP2):
        assert [group.tensors for group in arm(run, case, "all trainable").groups] == [6]
        assert [group.tensors for group in arm(run, case, "two decay groups").groups] == [3, 3]


def test_one_complete_run_names_its_ranks(run: Run) -> None:
    world = run.environment.world

    assert world is not None
    assert (run.complete, world.ranks, world.backend, len(world.nodes)) == (True, 2, "gloo", 1)
    assert [record.case.batch_size for record in run.records] == [64, 64, 16]
