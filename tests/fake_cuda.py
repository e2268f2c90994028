"""A device with a queue, a cache and an allocator, whose time and memory move only when the work says so."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from fakes import FakeClock

from harness.measure.devices.protocol import Memory

SECONDS_A_COUNT = 1e-9


@dataclass(slots=True)
class FakeEvent:
    """Reached when all that was queued before it is done; at infinity while the queue is held."""

    at: float
    clock: FakeClock

    def query(self) -> bool:
        return self.at <= self.clock.now


@dataclass(slots=True)
class FakeHold:
    """Lets the queue go on when it is released; by the watchdog where the host waits for the queue."""

    device: "FakeCuda"
    until: float
    queued: list[float | FakeEvent] = field(default_factory=list)
    expired: bool = False

    def release(self) -> None:
        if self.device.held is self:
            self.device.let_go()


@dataclass(slots=True)
class FakeCuda:
    """Works off a queue while the host's clock goes on; the host waits where the queue is full."""

    clock: FakeClock = field(default_factory=FakeClock)
    holds_tensors: bool = True
    capacity: int = 1024
    workspace_bytes: int = 0
    log: list[str] = field(default_factory=list)
    is_cold: bool = False
    requested: int = 0
    requested_peak: int = 0
    reserved_peak: int = 0
    blocks: int = 0
    retries: int = 0
    tell: Callable[[], None] = lambda: None
    can_hold: bool = False
    held: FakeHold | None = None
    _ends: deque[float] = field(default_factory=deque)
    _free_at: float = 0.0
    launched: int = 0
    slow_launches: int = 0  # so many launches take five times as long: the clock rises from 345 to 1,980 MHz
    lost: int = 0  # records of the device that every trace lacks at its begin
    _events: list[dict[str, Any]] = field(default_factory=list)

    name = "cuda:0"
    index = 0
    identifier = "GPU-0"
    seconds_a_count = SECONDS_A_COUNT

    def launch(self, seconds: float) -> None:
        """Queue work; waits until there is room."""
        while self._ends and self._ends[0] <= self.clock.now:
            self._ends.popleft()
        if self.held is not None and len(self.held.queued) >= self.capacity:
            self.expire()
        if self.held is None and len(self._ends) >= self.capacity:
            self.clock.now = max(self.clock.now, self._ends.popleft())
        if self.launched < self.slow_launches:
            seconds *= 5
        self.launched += 1
        if self.held is not None:  # these are not traced
            self.held.queued.append(seconds)
            return
        start = max(self._free_at, self.clock.now)
        self._free_at = start + seconds
        self._ends.append(self._free_at)
        number = {"correlation": self.launched}
        self._events += [
            {
                "cat": "cuda_runtime",
                "name": "cudaLaunchKernel",
                "ts": 1e6 * self.clock.now,
                "dur": 0,
                "args": number,
            },
            {"cat": "kernel", "name": "mul", "ts": 1e6 * start, "dur": 1e6 * seconds, "args": number},
        ]

    def step(
        self, host: float, device: float, cold: float | None = None, launches: int = 1
    ) -> Callable[[], None]:
        """Return a step: so many launches, which together take host and device so long."""

        def run() -> None:
            self.log.append("step")
            whole = device if cold is None or not self.is_cold else cold
            self.is_cold = False
            for _ in range(launches):
                self.clock.advance(host / launches)
                self.launch(whole / launches)

        return run

    def allocate(self, size: int) -> None:
        self.requested += size
        self.requested_peak = max(self.requested_peak, self.requested)
        self.reserved_peak = max(self.reserved_peak, 2 * self.requested)
        self.blocks += 1

    def free(self, size: int) -> None:
        self.requested -= size

    def hold(self, limit_s: float) -> FakeHold | None:
        if not self.can_hold:
            return None
        self.held = FakeHold(self, self.clock.now + limit_s)
        return self.held

    def let_go(self) -> None:
        """Work off what was queued while the queue was held."""
        hold, self.held = self.held, None
        for one in hold.queued if hold is not None else ():
            if isinstance(one, FakeEvent):
                one.at = max(self.clock.now, self._free_at)
            else:
                self._free_at = max(self._free_at, self.clock.now) + one
                self._ends.append(self._free_at)

    def expire(self) -> None:
        """Let the watchdog release the queue, as late as it does."""
        if self.held is not None:
            self.held.expired = True
            self.clock.now = max(self.clock.now, self.held.until)
            self.let_go()

    def synchronize(self) -> None:
        self.expire()
        self.clock.now = max(self.clock.now, self._free_at)

    def record(self) -> FakeEvent:
        if self.held is not None:
            event = FakeEvent(float("inf"), self.clock)
            self.held.queued.append(event)
            return event
        return FakeEvent(max(self.clock.now, self._free_at), self.clock)

    def seconds(self, start: FakeEvent, end: FakeEvent) -> float:
        if not (start.query() and end.query()):
            raise RuntimeError("an event was read before it was reached")
        return end.at - start.at

    def count(self, number: int) -> None:
        self.log.append("count")
        self.launch(number * SECONDS_A_COUNT)

    def flush_cache(self) -> None:
        self.log.append("flush")
        self.launch(5e-5)
        self.is_cold = True

    def trace(self, stretches: Sequence[tuple[str, Callable[[], object]]]) -> list[dict[str, Any]]:
        self._events = []
        spans: list[dict[str, Any]] = []
        for name, call in stretches:
            self.synchronize()
            began = self.clock.now
            call()
            self.clock.advance(1e-6)  # a span ends after what it launched
            spans.append(
                {
                    "cat": "user_annotation",
                    "name": name,
                    "ts": 1e6 * began,
                    "dur": 1e6 * (self.clock.now - began),
                }
            )
            self.synchronize()
        records = [event for event in self._events if event["cat"] == "kernel"][self.lost :]
        return [*spans, *(event for event in self._events if event["cat"] != "kernel"), *records]

    @contextmanager
    def told_of_waits(self, tell: Callable[[], None]) -> Iterator[None]:
        before, self.tell = self.tell, tell
        try:
            yield
        finally:
            self.tell = before

    def wait(self) -> None:
        """Let the host read a value back: it stands still until the queue is empty."""
        self.tell()
        self.synchronize()

    def memory(self) -> Memory:
        rounded = -(-self.requested // 512) * 512
        rounded_peak = -(-self.requested_peak // 512) * 512
        return Memory(
            self.requested,
            self.requested_peak,
            rounded,
            rounded_peak,
            self.reserved_peak,
            self.blocks,
            self.retries,
        )

    def reset_peaks(self) -> None:
        self.log.append("reset")
        self.requested_peak = self.requested
        self.reserved_peak = 2 * self.requested

    def holds(self, _tensor: torch.Tensor) -> bool:
        return self.holds_tensors
