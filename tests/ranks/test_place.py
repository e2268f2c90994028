"""Where a rank stands, which device it takes, and what is refused in one line."""

import pytest

from harness.errors import HarnessError
from harness.ranks.agreement import check_alike, raise_refusal
from harness.ranks.place import (
    Place,
    RanksError,
    backend_for,
    check_gloo,
    device_of_rank,
    place_of,
    started_by_launcher,
)
from harness.ranks.wrapped import check_alone
from harness.report.watch import TerminalWatch

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "29500",
}


def place(rank: int = 0, ranks: int = 2) -> Place:
    return Place(rank, ranks, rank, ranks, "node7")


def test_torchrun_says_where_a_rank_stands() -> None:
    found = place_of(TORCHRUN, "harness measure linear")

    assert (found.rank, found.ranks, found.local_rank, found.local_ranks) == (3, 4, 1, 2)


def test_without_a_launcher_the_command_to_use_is_said() -> None:
    with pytest.raises(RanksError) as refused:
        place_of({}, "harness measure linear --wrap ddp")

    assert str(refused.value) == (
        "--wrap needs ranks, and no launcher started any (RANK is not set):"
        " torchrun --nproc-per-node 2 -m harness measure linear --wrap ddp"
    )


def test_one_process_that_a_launcher_started_may_measure_by_itself() -> None:
    assert started_by_launcher(TORCHRUN)
    assert not started_by_launcher({**TORCHRUN, "WORLD_SIZE": "1"})
    assert not started_by_launcher({})


def test_ranks_without_a_wrap_are_refused_with_a_line_from_rank_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**TORCHRUN, "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        check_alone(TerminalWatch())

    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "harness: a launcher started several ranks, and each would measure for itself; give --wrap ddp or"
        " --wrap fsdp2, or start one process\n"
    )


def test_each_rank_takes_the_device_of_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)

    assert [device_of_rank(place(rank), "cuda") for rank in (0, 1)] == ["cuda:0", "cuda:1"]
    assert device_of_rank(place(1), "cpu") == "cpu"


@pytest.mark.parametrize(
    ("device", "devices", "said"),
    [
        ("cuda", 1, "2 ranks on node7 and 1 CUDA device; start at most as many: torchrun --nproc-per-node 1"),
        ("cuda:1", 2, "every rank takes a device of its own; give --device cuda, not cuda:1"),
    ],
)
def test_more_ranks_than_devices_are_refused(
    monkeypatch: pytest.MonkeyPatch, device: str, devices: int, said: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: devices)
    with pytest.raises(RanksError) as refused:
        device_of_rank(place(), device)

    assert str(refused.value) == said


def test_cuda_without_a_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(HarnessError, match="sees no CUDA device"):
        device_of_rank(place(), "cuda")


def test_a_torch_without_gloo_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.distributed.is_gloo_available", lambda: False)
    with pytest.raises(RanksError, match="built without gloo"):
        check_gloo()


def test_a_torch_without_nccl_is_refused_for_cuda_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.distributed.is_nccl_available", lambda: False)

    assert backend_for("cpu") == "gloo"
    with pytest.raises(RanksError, match="built without NCCL"):
        backend_for("cuda:0")


def test_what_all_ranks_refuse_is_said_once_and_what_one_refuses_with_its_name() -> None:
    raise_refusal(["", ""])
    with pytest.raises(RanksError, match=r"^no model 'x'$"):
        raise_refusal(["no model 'x'", "no model 'x'"])
    with pytest.raises(RanksError, match=r"^rank 1: no module 'x'$"):
        raise_refusal(["", "no module 'x'"])


def test_what_ranks_have_not_in_common_is_named() -> None:
    check_alike([{"a": "1"}, {"a": "1"}], "has")
    with pytest.raises(RanksError, match=r"^rank 1 built m with b 2, rank 0 with nothing; start all ranks"):
        check_alike([{"a": "1"}, {"a": "1", "b": "2"}], "built m with")
