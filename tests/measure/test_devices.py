"""The registry of devices: what can be had, and that a new kind is one file and its name."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from anew import printed_anew
from fake_cuda import FakeCuda

from harness.measure.clock import clock_for, clock_for_devices_in_use
from harness.measure.devices import registry
from harness.measure.devices.registry import check_device, device_of, out_of_memory_errors
from harness.measure.environment import device_name
from harness.measure.history import check_history
from harness.measure.inspection import is_out_of_memory
from harness.ranks.place import Place, RanksError, backend_for, device_of_rank
from harness.setting import DEVICE_KINDS, SettingError
from harness.workload import generators
from harness.workload.model import UnsupportedError
from harness.workload.models import MODELS
from harness.workload.question import Cell


def test_the_cpu_can_always_be_had() -> None:
    check_device("cpu")


@pytest.mark.parametrize("device", ["gpu", "tpu:0", "", "CUDA", "cpu:0"])
def test_an_unknown_device_is_refused_with_those_there_are(device: str) -> None:
    with pytest.raises(SettingError, match=f"^no device '{device}'; there are cpu and cuda$"):
        check_device(device)


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_cuda_where_there_is_none_is_refused(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(
        SettingError,
        match=f"^device '{device}' was asked for, but this torch sees no CUDA device; cpu works$",
    ):
        check_device(device)


@pytest.mark.parametrize("device", ["cuda:2", "cuda:x", "cuda:-1"])
def test_a_cuda_device_that_is_not_there_is_refused(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    with pytest.raises(SettingError, match=f"^no device '{device}'; there are 2 CUDA devices, from 0$"):
        check_device(device)
    check_device("cuda:1")


TOY = "harness.measure.devices.toy"


@dataclass
class ToyBackend:
    """A kind of device that this project has never heard of."""

    queue: FakeCuda = field(default_factory=FakeCuda)
    current: list[str] = field(default_factory=list)
    title: str = "Toy"
    collectives: str = "toyccl"
    out_of_memory: tuple[type[BaseException], ...] = (BrokenPipeError,)
    memory_history: None = None

    def count(self) -> int:
        return 2

    def is_in_use(self) -> bool:
        return True

    def device(self, _index: int | None) -> FakeCuda:
        return self.queue

    def words(self, name: str) -> str:
        return f"a toy called {name}"

    def make_current(self, name: str) -> None:
        self.current.append(name)

    def has_collectives(self) -> bool:
        return True


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ToyBackend:
    """Add a device as a file beside the others would, and its name to the table of kinds."""
    backend = ToyBackend()
    module = ModuleType(TOY)
    module.BACKEND = backend  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, TOY, module)
    kinds = (*DEVICE_KINDS, "toy")
    monkeypatch.setattr(registry, "DEVICE_KINDS", kinds)
    monkeypatch.setattr(generators, "DEVICE_KINDS", kinds)
    return backend


def test_a_device_that_is_added_can_be_asked_for_and_is_described(toy: ToyBackend) -> None:
    for name in ("toy", "toy:1"):
        check_device(name)

    assert device_of("toy:1") is toy.queue
    assert device_name("toy:1") == "a toy called toy:1"
    with pytest.raises(SettingError, match=r"^no device 'toy:2'; there are 2 Toy devices, from 0$"):
        check_device("toy:2")
    with pytest.raises(SettingError, match=r"^no device 'gpu'; there are cpu and cuda and toy$"):
        check_device("gpu")


def test_the_clock_waits_for_a_device_that_is_added(toy: ToyBackend) -> None:
    for clock in (clock_for("toy"), clock_for_devices_in_use()):
        toy.queue.launch(2.0)
        clock()
        assert toy.queue.clock.now == toy.queue._free_at


def test_the_errors_of_a_device_that_is_added_are_of_memory(toy: ToyBackend) -> None:
    assert set(toy.out_of_memory) <= set(out_of_memory_errors())
    assert is_out_of_memory(BrokenPipeError())


def test_ranks_take_devices_that_are_added(toy: ToyBackend) -> None:
    second = Place(1, 2, 1, 2, "node7")

    assert device_of_rank(second, "toy") == "toy:1"
    assert backend_for("toy:1") == toy.collectives
    with pytest.raises(RanksError, match="give --device toy, not toy:1"):
        device_of_rank(second, "toy:1")
    with pytest.raises(RanksError, match="3 ranks on node7 and 2 Toy devices"):
        device_of_rank(Place(1, 3, 1, 3, "node7"), "toy")


def test_a_question_for_devices_with_a_queue_is_put_to_one_that_is_added() -> None:
    cell = Cell(MODELS["linear"], "train", off_host=True)

    assert [cell.is_for(device) for device in ("cpu", "cuda:1", "toy:1")] == [False, True, True]


@pytest.mark.usefixtures("toy")
def test_a_history_that_an_allocator_does_not_keep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="device 'toy' has none"):
        check_history("toy", tmp_path / "history")


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("numbered", [True, False])
def test_the_generators_of_a_device_that_is_added_are_given_back(
    monkeypatch: pytest.MonkeyPatch, *, numbered: bool
) -> None:
    numbers = [torch.tensor([3, 4])]
    one = {"get_rng_state": numbers[0].clone, "set_rng_state": lambda state: numbers.__setitem__(0, state)}
    several = {
        "get_rng_state_all": lambda: [state.clone() for state in numbers],
        "set_rng_state_all": lambda states: numbers.__setitem__(slice(None), states),
    }
    module = SimpleNamespace(is_available=lambda: True, **one, **(several if numbered else {}))
    monkeypatch.setattr(torch, "toy", module, raising=False)
    with generators.torch_generators_kept():
        numbers[0] = torch.tensor([5, 6])

    assert numbers[0].tolist() == [3, 4]


def test_torch_has_what_generators_are_asked_for() -> None:
    for name in ("get_rng_state", "get_rng_state_all", "set_rng_state_all", "is_initialized"):
        assert callable(getattr(torch.cuda, name))


def test_every_kind_has_its_module() -> None:
    folder = Path(registry.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "protocol", "registry"}

    assert modules == set(DEVICE_KINDS)


@pytest.mark.process
def test_the_cpu_is_looked_up_without_torch() -> None:
    script = (
        "import sys; from harness.measure.clock import clock_for; clock_for('cpu')();"
        "from harness.measure.devices.registry import check_device; check_device('cpu');"
        "print('torch' in sys.modules)"
    )
    printed = printed_anew(script)

    assert printed == "False"
