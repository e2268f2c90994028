"""What a program that is no rank takes from ranks: arms, refusals, and times for pytest-benchmark to read."""

import pytest
import runs

from harness.errors import HarnessError
from harness.pytest_plugin import PerCallClock
from harness.ranks.launch import arm_of, check_launch, run_to_end
from harness.ranks.place import RanksError
from harness.record.schema import ArmResult, Case
from harness.workload.model import UnsupportedError

CASE = Case(question="ranks", model="linear", variant="ddp-2-ranks")


def test_an_arm_is_taken_from_the_run_of_the_ranks() -> None:
    run = runs.run(runs.record(CASE, runs.arm("all trainable")))

    assert arm_of(run, CASE, "all trainable").arm == "all trainable"
    with pytest.raises(RanksError, match="the ranks did not measure 'trunk frozen' of ranks/linear"):
        arm_of(run, CASE, "trunk frozen")


def test_an_arm_that_failed_or_was_skipped_says_why() -> None:
    failed = ArmResult(arm="all trainable", status="failed", reason="rank 1: planted")
    skipped = ArmResult(arm="all trainable", status="skipped", reason="not in this torch")
    with pytest.raises(RanksError, match=r"^rank 1: planted$"):
        arm_of(runs.run(runs.record(CASE, failed)), CASE, "all trainable")
    with pytest.raises(UnsupportedError, match=r"^not in this torch$"):
        arm_of(runs.run(runs.record(CASE, skipped)), CASE, "all trainable")


def test_why_no_rank_measured_is_said_for_every_arm() -> None:
    refusal = RanksError("rank 1 died")
    for arm in ("all trainable", "trunk frozen"):
        with pytest.raises(RanksError, match=r"^rank 1 died$"):
            arm_of(refusal, CASE, arm)


def test_a_case_that_this_torch_cannot_wrap_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("torch.distributed.fsdp.fully_shard", raising=False)
    case = Case(question="ranks", model="linear", variant="fsdp2-2-ranks")
    with pytest.raises(UnsupportedError, match="FSDP2"):
        arm_of(RanksError("not reached"), case, "all trainable")


def test_without_gloo_ranks_are_unsupported_which_skips_a_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.distributed.is_gloo_available", lambda: False)
    with pytest.raises(UnsupportedError, match="built without gloo"):
        check_launch("cpu", 2)


def test_more_ranks_than_devices_are_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(UnsupportedError, match="2 ranks on this machine and 1 CUDA device"):
        check_launch("cuda", 2)


def test_what_a_launcher_says_on_standard_error_is_returned() -> None:
    status, said = run_to_end(["bash", "-c", "echo heard >&2; exit 3"], 10)

    assert (status, said) == (3, "heard\n")


def test_a_launcher_that_takes_too_long_is_ended() -> None:
    with pytest.raises(HarnessError, match=r"took longer than 0\.2 s and were ended"):
        run_to_end(["sleep", "100"], 0.2)


def test_times_that_other_processes_measured_are_read_as_they_are() -> None:
    clock = PerCallClock()
    clock.replay([0.25, 0.5])
    first, second = (-(clock() - clock()) for _ in range(2))

    assert (first, second) == (0.25, 0.5)
