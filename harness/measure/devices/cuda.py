"""CUDA: queue, events, allocator statistics, cache; the one module that says so to torch."""

import functools
import importlib
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from harness.measure.devices.protocol import Backend, Memory
from harness.measure.torch_compat import release, writes_memory_history
from harness.workload.model import UnsupportedError

KIND = "cuda"

_LARGEST_COUNT = 1 << 30  # elements that one kernel indexes with 32 bits, with room to spare
_CALIBRATING_COUNT = 1 << 26  # long beside a launch, short beside a second
_RISING = 1000  # of these before, some 0.1 s: an idle clock is a sixth of a busy one
_CACHE_BYTES_UNKNOWN = 128 * 1024 * 1024  # where torch does not tell the size of L2; larger than any so far
_FLUSHED_CACHES = 2  # a buffer twice as large as the cache leaves nothing in it whatever the policy
_WAITED = "called a synchronizing CUDA operation"  # what torch warns of in its synchronization debug mode
_MODE = "Synchronization debug mode"  # of which it warns when it is first set
_MOST_ENTRIES = 1_000_000  # of a history: some 100 MB on disk; torch's own default has no limit


@dataclass(slots=True)
class CudaHold:
    """A stream that waits until a number in pinned memory is 1, which the host or a watchdog sets.

    Where the host itself waits for the stream, nobody but the watchdog would ever let it go on.
    """

    flag: torch.Tensor
    expired: bool = False
    _watchdog: threading.Timer | None = field(default=None, init=False)

    def watch(self, limit_s: float) -> None:
        """Release the stream after so many seconds."""
        self._watchdog = threading.Timer(limit_s, self._expire)
        self._watchdog.daemon = True
        self._watchdog.start()

    def release(self) -> None:
        """Let the stream go on."""
        if self._watchdog is not None:
            self._watchdog.cancel()
        self.flag.fill_(1)

    def _expire(self) -> None:
        self.expired = True
        self.flag.fill_(1)


def _driver() -> Any:
    """Return NVIDIA's bindings of the driver, which torch's wheels bring since 2.10; None without them."""
    try:
        return importlib.import_module("cuda.bindings.driver")
    except ImportError:
        return None


@dataclass(slots=True)
class CudaDevice:
    """A CUDA device as torch sees it."""

    index: int
    _one: torch.Tensor | None = field(default=None, init=False)
    _flushing: torch.Tensor | None = field(default=None, init=False)
    _workspace: int | None = field(default=None, init=False)
    _seconds_a_count: float | None = field(default=None, init=False)
    _held: CudaHold | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """As torch takes it, with its number."""
        return f"{KIND}:{self.index}"

    @property
    def identifier(self) -> str:
        """Its UUID as NVML takes it, or "" where torch does not tell it.

        torch < 2.3 does not; drop with those tox factors.
        """
        uuid = getattr(torch.cuda.get_device_properties(self.index), "uuid", None)
        return f"GPU-{uuid}" if uuid is not None else ""

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

    def hold(self, limit_s: float) -> CudaHold | None:
        """Let the current stream wait for a number in pinned memory; see the protocol.

        Source: cuStreamWaitValue32 in NVIDIA's reference of the driver. None where its bindings are missing,
        or the driver refuses.
        """
        driver = _driver()
        if driver is None:
            return None
        hold = CudaHold(torch.zeros(1, dtype=torch.int32, pin_memory=True))
        self._held = hold  # the number has to be there for as long as the stream may read it
        stream = torch.cuda.current_stream(self.index).cuda_stream
        at_least = int(driver.CUstreamWaitValue_flags.CU_STREAM_WAIT_VALUE_GEQ)
        error, *_ = driver.cuStreamWaitValue32(stream, hold.flag.data_ptr(), 1, at_least)
        if error != driver.CUresult.CUDA_SUCCESS:
            return None
        hold.watch(limit_s)
        return hold

    @property
    def seconds_a_count(self) -> float:
        """What one element of `count` costs, timed when it is first asked for."""
        if self._seconds_a_count is None:
            for _ in range(_RISING):
                self.count(_CALIBRATING_COUNT)
            once, twice = self._cost(_CALIBRATING_COUNT), self._cost(2 * _CALIBRATING_COUNT)
            # A launch has a fixed part, which the difference does not hold.
            self._seconds_a_count = max(twice - once, 0.1 * once) / _CALIBRATING_COUNT
        return self._seconds_a_count

    def _cost(self, number: int) -> float:
        costs = []
        for _ in range(5):
            start = self.record()
            self.count(number)
            end = self.record()
            self.synchronize()
            costs.append(self.seconds(start, end))
        return min(costs)

    def flush_cache(self) -> None:
        """Write a buffer larger than L2."""
        if self._flushing is None:
            size = getattr(torch.cuda.get_device_properties(self.index), "L2_cache_size", 0)
            # torch < 2.2 does not tell the size; drop with those tox factors.
            bytes_ = _FLUSHED_CACHES * (size or _CACHE_BYTES_UNKNOWN)
            self._flushing = torch.empty(bytes_, dtype=torch.uint8, device=self.name)
        self._flushing.zero_()

    def trace(self, stretches: Sequence[tuple[str, Callable[[], object]]]) -> Sequence[dict[str, Any]]:
        """Run named stretches under torch's profiler; see the protocol."""
        # What reads traces knows devices by their protocol, and is imported when one is taken.
        from harness.measure.recording import recording, sees_launches, span

        if not sees_launches():
            raise RuntimeError("this torch's profiler is not told of what a CUDA device does")
        with recording(self) as session:
            for name, call in stretches:
                self.synchronize()
                with span(name):
                    call()
                self.synchronize()
        return session.events

    @contextmanager
    def told_of_waits(self, tell: Callable[[], None]) -> Iterator[None]:
        """Call `tell` each time that torch makes the host wait: it warns of each in this mode."""
        before = torch.cuda.get_sync_debug_mode()
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            shown = warnings.showwarning

            def show(message: Any, *where: Any, **more: Any) -> None:
                if _WAITED in str(message):
                    tell()
                elif not str(message).startswith(_MODE):
                    shown(message, *where, **more)

            warnings.showwarning = show
            torch.cuda.set_sync_debug_mode("warn")
            try:
                yield
            finally:
                torch.cuda.set_sync_debug_mode(before)

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
        return tensor.device.type == KIND and tensor.device.index == self.index


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


@functools.cache
def _cuda_device(index: int) -> CudaDevice:
    """Return the one object of a device: what it has taken and timed once holds for the process."""
    return CudaDevice(index)


@contextmanager
def memory_history(path: Path, device: int) -> Iterator[None]:
    """Record every allocation and free on a CUDA device, with its stack, and write them to a file at the end.

    The two functions begin with an underscore, and are the documented door ("Understanding CUDA Memory
    Usage"); the file opens at the viewer named there.

    Raises:
        UnsupportedError: this torch has no such door.
    """
    record = getattr(torch.cuda.memory, "_record_memory_history", None)
    dump = getattr(torch.cuda.memory, "_dump_snapshot", None)
    if record is None or dump is None or not writes_memory_history():
        raise UnsupportedError(f"torch {release()} cannot write its memory history; torch 2.1 and later can")
    record(max_entries=_MOST_ENTRIES, device=device)
    try:
        yield
        dump(str(path))
    finally:
        record(enabled=None, device=device)


@dataclass(frozen=True, slots=True)
class CudaBackend:
    """The CUDA devices of this machine as torch sees them."""

    title: str = "CUDA"
    collectives: str = "nccl"
    out_of_memory: tuple[type[BaseException], ...] = (torch.cuda.OutOfMemoryError,)
    memory_history: Callable[[Path, int], AbstractContextManager[None]] = memory_history

    def count(self) -> int:
        """Return how many there are that can be used; 0 where torch sees none."""
        return torch.cuda.device_count() if torch.cuda.is_available() else 0

    def is_in_use(self) -> bool:
        """Return whether torch has begun to use CUDA."""
        return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]

    def device(self, index: int | None) -> CudaDevice:
        """Return the device of a number, or the current one."""
        return _cuda_device(torch.cuda.current_device() if index is None else index)

    def words(self, name: str) -> str:
        """Return the product's name."""
        return str(torch.cuda.get_device_name(name))

    def free_bytes(self, name: str) -> int | None:
        """Return what the driver has left, and what torch's allocator keeps unused."""
        free, _ = torch.cuda.mem_get_info(name)
        return free + torch.cuda.memory_reserved(name) - torch.cuda.memory_allocated(name)

    def allow(self, name: str, more: int) -> Callable[[], None]:
        """Limit the share of the device that torch's allocator takes."""
        _, whole = torch.cuda.mem_get_info(name)
        share = min(1.0, (torch.cuda.memory_reserved(name) + more) / whole)
        torch.cuda.set_per_process_memory_fraction(share, name)
        return lambda: torch.cuda.set_per_process_memory_fraction(1.0, name)

    def make_current(self, name: str) -> None:
        """Let a device be the one that is meant where torch is told no number."""
        torch.cuda.set_device(name)

    def has_collectives(self) -> bool:
        """Return whether this torch was built with NCCL."""
        from torch import distributed

        return bool(distributed.is_available() and distributed.is_nccl_available())


BACKEND: Backend = CudaBackend()
