"""A trace that a profiler makes on a CUDA device, read from its file: written by hand in torch's format.

The names of categories and arguments are those of torch/csrc/profiler/collection.cpp and of libkineto's
ActivityType.
"""

from typing import Any

from fake_cuda import FakeCuda

from harness.measure.trace import Allocation
from harness.measure.trace_file import read_events


def span(name: str, start: float, length: float, cat: str, **arguments: int) -> dict[str, Any]:
    return {"ph": "X", "cat": cat, "name": name, "ts": start, "dur": length, "args": arguments}


def memory(time: float, size: int, address: int, kind: int, index: int) -> dict[str, Any]:
    arguments = {
        "Device Type": kind,
        "Device Id": index,
        "Bytes": size,
        "Addr": address,
        "Total Allocated": 0,
        "Total Reserved": 0,
    }
    return {"ph": "i", "cat": "cpu_instant_event", "name": "[memory]", "ts": time, "args": arguments}


EVENTS = [
    span("harness.mark:", 10.0, 1.0, "user_annotation"),
    span("aten::addmm", 12.0, 6.0, "cpu_op"),
    memory(12.5, 512, 0x7F00, 1, 0),
    memory(12.6, 8, 0x55, 0, -1),
    memory(12.7, 1024, 0x8F00, 1, 1),
    span("cudaLaunchKernel", 13.0, 1.0, "cuda_runtime", correlation=7),
    span("cudaMemcpyAsync", 14.2, 0.5, "cuda_runtime", correlation=8),
    span("cuLaunchKernelEx", 15.0, 1.0, "cuda_driver", correlation=9),
    span("harness.module:0", 11.5, 8.0, "user_annotation"),
    span("harness.module:0", 13.5, 90.0, "gpu_user_annotation"),
    span("harness.mark:", 14.0, 90.0, "gpu_user_annotation"),
    span("void at::native::vectorized_elementwise_kernel<4>(int)", 15.5, 3.0, "kernel", correlation=7),
    span("Memcpy HtoD", 16.0, 3.0, "gpu_memcpy", correlation=8),
    span("harness.mark:", 20.0, 1.0, "user_annotation"),
    span("aten::add", 22.0, 2.0, "cpu_op"),
    span("cudaLaunchKernelExC", 22.5, 1.0, "cuda_runtime", correlation=10),
    span("harness.mark:", 30.0, 1.0, "user_annotation"),
    span("cudaDeviceSynchronize", 32.0, 9.0, "cuda_runtime"),
    {"ph": "M", "name": "process_name", "args": {"name": "python"}},
]


def test_the_allocations_are_those_of_the_device_and_no_others() -> None:
    assert read_events(EVENTS, FakeCuda()).allocations == (Allocation(12.5, 512, 0x7F00),)


def test_on_a_cpu_the_allocations_are_those_of_the_cpu_and_no_others() -> None:
    assert read_events(EVENTS).allocations == (Allocation(12.6, 8, 0x55),)


def test_a_kernel_is_no_operator_whatever_its_name() -> None:
    assert [found.name for found in read_events(EVENTS, FakeCuda()).operators] == ["aten::addmm", "aten::add"]


def test_the_devices_copies_of_marks_and_modules_are_passed_over() -> None:
    seen = read_events(EVENTS, FakeCuda())

    assert seen.marks == (10.0, 20.0, 30.0)
    assert [(found.name, found.end) for found in seen.modules] == [("0", 19.5)]


def test_launches_are_the_hosts_calls_that_queue_a_kernel_and_belong_to_a_part() -> None:
    seen = read_events(EVENTS, FakeCuda())

    assert [found.name for found in seen.launches] == [
        "cudaLaunchKernel",
        "cuLaunchKernelEx",
        "cudaLaunchKernelExC",
    ]
    assert [len(seen.stretch(index).launches) for index in (0, 1)] == [2, 1]
