"""A device's allocator, asked before and after each part of a step."""

import torch
from fake_cuda import FakeCuda
from torch import nn

from harness.measure.allocator_counters import count_allocations
from harness.measure.devices.cuda import memory_of
from harness.measure.observe import Observation, device_of_model
from harness.measure.probes import PROBES
from harness.workload.model import Model
from harness.workload.step import Part, Step


class Held:
    """What a step returns; its bytes are the device's until it is dropped."""

    def __init__(self, device: FakeCuda, size: int) -> None:
        self.device, self.size = device, size
        device.allocate(size)

    def __del__(self) -> None:
        self.device.free(self.size)


def test_the_peak_is_of_requested_bytes_above_the_start_and_what_was_held_before_is_not_in_it() -> None:
    device = FakeCuda()
    device.allocate(5000)

    def call() -> Held:
        device.allocate(700)
        device.free(700)
        return Held(device, 300)

    found = count_allocations([call], device)

    assert (found.peak_bytes(), found.retained_bytes()) == (700, 300)
    assert found.allocated_peak_bytes() == 6144 - 5120  # blocks of 512 bytes
    assert (found.allocations(), found.retries()) == (2, 0)
    assert device.requested == 5000


def test_the_peaks_are_reset_before_each_part() -> None:
    device = FakeCuda()

    def large() -> None:
        device.allocate(9000)
        device.free(9000)

    def small() -> None:
        device.allocate(100)
        device.free(100)

    found = count_allocations([large, small], device)

    assert found.peak_bytes() == 9000
    assert [found.stretch(index).peak_bytes() for index in (0, 1)] == [9000, 100]
    assert device.log == ["reset", "reset"]


def test_a_workspace_that_the_first_run_takes_is_not_retained() -> None:
    device = FakeCuda()
    taken: list[int] = []

    def call() -> None:
        if not taken:
            taken.append(8_519_680)
            device.allocate(8_519_680)

    assert count_allocations([call], device).retained_bytes() == 0
    assert device.requested == 8_519_680


def test_a_retry_is_counted_where_it_happened() -> None:
    device = FakeCuda(retries=3)

    def call() -> None:
        device.retries += 1

    assert count_allocations([call], device).retries() == 1


def observed(device: FakeCuda, grad: int, no_grad: int) -> Observation:
    """Observe a step on a real module whose device bytes are scripted."""
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    model = Model(module, (torch.ones(8, 4),))

    def forward() -> object:
        output = model()
        return output, Held(device, grad if torch.is_grad_enabled() else no_grad)

    return Observation(Step((Part("forward", forward),), model, forward), device)


def test_the_books_of_a_device_balance_in_requested_bytes() -> None:
    saved = 8 * 4 * 4  # ReLU's result; the input is the model's own, and the weights are parameters
    books = observed(FakeCuda(), grad=1000 + saved, no_grad=1000).books

    assert (books.retained, books.retained_no_grad, books.saved) == (1000 + saved, 1000, saved)
    assert books.unaccounted == 0


def test_books_of_a_device_that_do_not_balance_say_by_how_much() -> None:
    assert observed(FakeCuda(), grad=1000 + 128 + 24, no_grad=1000).books.unaccounted == 24


def test_what_is_saved_on_the_host_is_counted_apart() -> None:
    seen = observed(FakeCuda(holds_tensors=False), grad=1000, no_grad=1000)

    assert (seen.books.saved, seen.books.unaccounted) == (0, 0)
    assert seen.graph.elsewhere == 128


def test_a_device_has_metrics_of_its_allocator_and_a_cpu_has_none_of_them() -> None:
    on_device = observed(FakeCuda(workspace_bytes=8_519_680), grad=1128, no_grad=1000)
    on_cpu = Observation(on_device.step)
    counts = [
        {name: value for probe in PROBES for name, value in probe.read(seen).items()}
        for seen in (on_device, on_cpu)
    ]

    only = {
        "allocated peak",
        "reserved peak",
        "allocator retries",
        "workspace",
        "saved on the host",
    }
    assert counts[0].keys() - counts[1].keys() == only
    assert counts[0]["workspace"] == 8_519_680
    assert counts[0]["retained"] == counts[0]["peak"] == 1128


def test_a_model_on_the_cpu_has_no_device() -> None:
    assert device_of_model(Model(nn.Linear(2, 2), (torch.ones(1, 2),))) is None


def test_statistics_are_read_by_torchs_names() -> None:
    found = memory_of(
        {
            "requested_bytes.all.current": 1,
            "requested_bytes.all.peak": 2,
            "allocated_bytes.all.current": 3,
            "allocated_bytes.all.peak": 4,
            "reserved_bytes.all.peak": 5,
            "allocation.all.allocated": 6,
            "num_alloc_retries": 7,
            "requested_bytes.small_pool.peak": 99,
        }
    )

    assert (found.requested, found.requested_peak, found.allocated, found.allocated_peak) == (1, 2, 3, 4)
    assert (found.reserved_peak, found.blocks, found.retries) == (5, 6, 7)
