"""The guard on memory, with a machine that says it has little: nothing here takes much of a real one."""

import pytest
import torch
from torch import nn

from harness import measure_model
from harness.errors import HarnessError
from harness.fitting.door import fit
from harness.measure.devices.cpu import BACKEND, CpuBackend
from harness.measure.guard import SHARE, check_room, memory_guarded, room
from harness.measure.inspection import OutOfMemoryError, is_out_of_memory

MIB = 1024**2
linux = pytest.mark.skipif(BACKEND.free_bytes("cpu") is None, reason="the system does not tell what is free")


def free(patch: pytest.MonkeyPatch, size: int | None) -> None:
    patch.setattr(CpuBackend, "free_bytes", lambda _self, _name: size)


def wide(batch_size: int = 1) -> tuple[nn.Module, torch.Tensor]:
    return nn.Sequential(nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 4)), torch.randn(batch_size, 64)


def fixed() -> tuple[nn.Module, torch.Tensor]:
    return nn.Linear(64, 64), torch.randn(4, 64)


def test_a_run_has_room_for_a_share_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 1000)
    assert room("cpu") == 1000 * SHARE

    check_room(800, "cpu", "what fits")
    with pytest.raises(
        OutOfMemoryError, match=r"^a limit of 801 B is more than can be run here: 0 MiB, 80 %"
    ):
        check_room(801, "cpu", "a limit of 801 B")


def test_where_the_system_does_not_tell_nothing_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, None)
    assert room("cpu") is None

    check_room(2**60, "cpu", "anything")
    with memory_guarded("cpu"):
        assert torch.zeros(10).sum() == 0


@linux
def test_torch_raises_beyond_the_room_and_no_more_once_the_guard_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free(monkeypatch, 256 * MIB)
    with memory_guarded("cpu"):
        with pytest.raises(RuntimeError) as raised:
            torch.empty(2048 * MIB, dtype=torch.uint8)
        inside = torch.empty(MIB, dtype=torch.uint8)

        with pytest.raises(OutOfMemoryError, match="not enough memory"), memory_guarded("cpu"):
            torch.empty(2048 * MIB, dtype=torch.uint8)

    assert is_out_of_memory(raised.value)
    assert inside.numel() == MIB
    assert torch.empty(2048 * MIB, dtype=torch.uint8).numel() == 2048 * MIB  # untouched, it takes nothing


@linux
def test_a_batch_that_would_exhaust_the_machine_is_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 256 * MIB)
    found = measure_model(wide, batch_sizes=(300_000,), questions=("grad_mode",), time=0, curve=False)

    assert "ran out of memory" in found.problems[0]


def test_a_batch_that_is_expected_to_take_too_much_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 64 * MIB)
    found = measure_model(wide, batch_sizes=(16, 10**9), questions=("grad_mode",), time=0, curve=False)

    (problem,) = found.problems
    assert problem.startswith("batch size 1000000000: a batch of 1000000000, which would need about ")
    assert "is more than can be run here" in problem
    assert {arm.status for arm in found.run.records[0].arms} == {"ok"}


@pytest.mark.parametrize(
    ("target", "limit", "said"),
    [
        (wide, "100GiB", r"^a limit of 107,374,182,400 B is more than can be run here: 19,661 MiB, 80 % of"),
        (wide, "300", r"^'300' has no unit; write 300B, 300MB or 300MiB$"),
        (wide, "300B", r"^not even a batch of 1 fits in 300 B: it needs [\d,]+ B$"),
        (
            fixed,
            "1MiB",
            r"^fixed makes batches of 4 only; to look for the largest that fits, give its factory",
        ),
    ],
)
def test_a_limit_that_cannot_be_looked_for_is_told_before_anything_is_measured(
    target: object, limit: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 24 * 1024 * MIB)
    monkeypatch.setattr("harness.measure.study.Study._batch", lambda *_, **__: pytest.fail("it was measured"))
    with pytest.raises(HarnessError, match=said):
        measure_model(target, memory_limit=limit)  # type: ignore[arg-type]


@linux
def test_a_plan_is_made_under_the_same_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[int] = []
    allow = CpuBackend.allow

    def told(self: CpuBackend, name: str, more: int) -> object:
        allowed.append(more)
        return allow(self, name, more)

    free(monkeypatch, 4096 * MIB)
    monkeypatch.setattr(CpuBackend, "allow", told)
    fit(wide, limit="1GiB", budget=0)

    assert allowed == [int(SHARE * 4096 * MIB)]
