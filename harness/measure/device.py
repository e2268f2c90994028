"""The one door to CUDA: queue, events, allocator statistics, cache; all behind a protocol that tests fake.

A CPU has no device in this sense: its work is done when a call returns, and its bytes are in the trace.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

CudaOutOfMemoryError = torch.cuda.OutOfMemoryError  # the class; torch has none for a CPU

_LARGEST_COUNT = 1 << 30  # elements that one kernel indexes with 32 bits, with room to spare
_CALIBRATING_COUNT = 1 << 26  # long beside a launch, short beside a second
_CACHE_BYTES_UNKNOWN = 128 * 1024 * 1024  # where torch does not tell the size of L2; larger than any so far
_FLUSHED_CACHES = 2  # a buffer twice as large as the cache leaves nothing in it whatever the policy


class Event(Protocol):
    """A mark in a device's queue."""

    def query(self) -> bool:
        """Return whether everything before the mark is done."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What an allocator says of itself at one moment, in bytes of all its blocks."""

    requested: int  # what was asked for; the books are kept in these
    requested_peak: int  # since the peaks were reset, as are the other peaks
    allocated: int  # the same blocks, rounded up by the allocator
    allocated_peak: int
    reserved_peak: int  # taken from the driver
    blocks: int  # handed out since the process began
    retries: int  # times that memory ran out and was given back by the cache, since the process began


class Device(Protocol):
    """A device that works off a queue, as far as measuring needs it."""

    @property
    def name(self) -> str:
        """As torch takes it: "cuda:0"."""

    @property
    def index(self) -> int:
        """The number in its name."""

    @property
    def workspace_bytes(self) -> int:
        """What the first matrix product takes and keeps; it is taken when this is first asked for."""

    @property
    def seconds_a_count(self) -> float:
        """What one element of `count` costs."""

    def synchronize(self) -> None:
        """Wait until the queue is empty."""

    def record(self) -> Event:
        """Put a mark at the end of the queue."""

    def seconds(self, start: Event, end: Event) -> float:
        """Return the device's time between two marks that were reached."""

    def count(self, number: int) -> None:
        """Queue work of a known amount that reads one address: it leaves the cache as it is."""

    def flush_cache(self) -> None:
        """Queue a write that leaves nothing else in the last cache before memory."""

    def memory(self) -> Memory:
        """Return the allocator's statistics."""

    def reset_peaks(self) -> None:
        """Let the peaks begin at what is allocated now."""

    def holds(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor's bytes are this allocator's."""


@dataclass(slots=True)
class CudaDevice:
    """A CUDA device as torch sees it."""

    index: int
    _one: torch.Tensor | None = field(default=None, init=False)
    _flushing: torch.Tensor | None = field(default=None, init=False)
    _workspace: int | None = field(default=None, init=False)
    _seconds_a_count: float | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """As torch takes it: "cuda:0"."""
        return f"cuda:{self.index}"

    def synchronize(self) -> None:
        """Wait until the queue is empty."""
        torch.cuda.synchronize(self.index)

    def record(self) -> torch.cuda.Event:
        """Put a mark at the end of the device's current stream."""
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.index))
        return event

    def seconds(self, start: Any, end: Any) -> float:
        """Return the device's time between two marks, which are about 0.5 us exact."""
        return float(start.elapsed_time(end)) * 1e-3

    def count(self, number: int) -> None:
        """Add up so many ones that all lie at one address."""
        if self._one is None:
            self._one = torch.ones((), device=self.name)
        for done in range(0, number, _LARGEST_COUNT):
            self._one.expand(min(_LARGEST_COUNT, number - done)).sum()

    @property
    def seconds_a_count(self) -> float:
        """What one element of `count` costs, timed when it is first asked for."""
        if self._seconds_a_count is None:
            costs = []
            for _ in range(5):
                start = self.record()
                self.count(_CALIBRATING_COUNT)
                end = self.record()
                self.synchronize()
                costs.append(self.seconds(start, end))
            self._seconds_a_count = min(costs) / _CALIBRATING_COUNT  # the first also loads the kernel
        return self._seconds_a_count

    def flush_cache(self) -> None:
        """Write a buffer larger than L2."""
        if self._flushing is None:
            size = getattr(torch.cuda.get_device_properties(self.index), "L2_cache_size", 0)
            # torch < 2.2 does not tell the size; drop with those tox factors.
            bytes_ = _FLUSHED_CACHES * (size or _CACHE_BYTES_UNKNOWN)
            self._flushing = torch.empty(bytes_, dtype=torch.uint8, device=self.name)
        self._flushing.zero_()

    def memory(self) -> Memory:
        """Return the allocator's statistics.

        Source: torch.cuda.memory_stats, whose keys these are.
        """
        return memory_of(torch.cuda.memory_stats(self.index))

    def reset_peaks(self) -> None:
        """Let the peaks begin at what is allocated now."""
        torch.cuda.reset_peak_memory_stats(self.index)

    @property
    def workspace_bytes(self) -> int:
        """What cuBLAS keeps for this thread and stream; 0 where it was taken before the harness asked.

        8,519,680 bytes unless CUBLAS_WORKSPACE_CONFIG says otherwise, 32 MiB on Hopper.
        """
        if self._workspace is None:
            square = torch.ones(64, 64, device=self.name)
            before = self.memory().requested
            square.mm(square)
            self.synchronize()
            self._workspace = self.memory().requested - before
        return self._workspace

    def holds(self, tensor: torch.Tensor) -> bool:
        """Return whether a tensor lies on this device."""
        return tensor.device.type == "cuda" and tensor.device.index == self.index


def memory_of(statistics: Mapping[str, int]) -> Memory:
    """Read the allocator's statistics by torch's names; what was never counted is 0."""
    return Memory(
        requested=statistics.get("requested_bytes.all.current", 0),
        requested_peak=statistics.get("requested_bytes.all.peak", 0),
        allocated=statistics.get("allocated_bytes.all.current", 0),
        allocated_peak=statistics.get("allocated_bytes.all.peak", 0),
        reserved_peak=statistics.get("reserved_bytes.all.peak", 0),
        blocks=statistics.get("allocation.all.allocated", 0),
        retries=statistics.get("num_alloc_retries", 0),
    )


def device_count() -> int:
    """Return how many CUDA devices there are that can be used; 0 where torch sees none."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def device_of(name: str) -> Device | None:
    """Return the device that torch's name stands for: "cuda" is the current one; None for a CPU."""
    kind, _, index = name.partition(":")
    if kind != "cuda":
        return None
    return _cuda_device(int(index) if index else torch.cuda.current_device())


@functools.cache
def _cuda_device(index: int) -> CudaDevice:
    """Return the one object of a device: what it has taken and timed once holds for the process."""
    return CudaDevice(index)


def prepare(name: str) -> None:
    """Let libraries take what they take once and keep, before anything else runs on a device."""
    device = device_of(name)
    if device is not None:
        _ = device.workspace_bytes


def in_words(name: str) -> str:
    """Return the product's name of a CUDA device."""
    return str(torch.cuda.get_device_name(name))


def identifier(index: int) -> str:
    """Return a CUDA device's UUID as NVML takes it, or "" where torch does not tell it.

    torch < 2.3 does not; drop with those tox factors.
    """
    uuid = getattr(torch.cuda.get_device_properties(index), "uuid", None)
    return f"GPU-{uuid}" if uuid is not None else ""


def occupy(device: Device, seconds: float) -> None:
    """Queue so much work that the device is busy for about so long, without touching its cache."""
    device.count(max(1, math.ceil(seconds / device.seconds_a_count)))
