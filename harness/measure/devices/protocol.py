"""What a kind of device answers, and what a device with a queue does; tests answer with fakes.

A CPU has no queue: its work is done when a call returns, and its bytes are in the trace.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch


class Event(Protocol):
    """A mark in a device's queue."""

    def query(self) -> bool:
        """Return whether everything before the mark is done."""


class Hold(Protocol):
    """A queue that stands still."""

    @property
    def expired(self) -> bool:
        """Whether the watchdog let it go on, because nobody else did in time."""

    def release(self) -> None:
        """Let it go on."""


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
        """As torch takes it: "xpu:0"."""

    @property
    def index(self) -> int:
        """The number in its name."""

    @property
    def identifier(self) -> str:
        """By which NVIDIA's management library finds it; "" where it does not, or torch does not tell."""

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

    def hold(self, limit_s: float) -> Hold | None:
        """Let the queue stand still from here on, for so many seconds at most; None where it cannot."""

    def flush_cache(self) -> None:
        """Queue a write that leaves nothing else in the last cache before memory."""

    def trace(self, stretches: Sequence[tuple[str, Callable[[], object]]]) -> Sequence[dict[str, Any]]:
        """Run named stretches, each until the queue is empty, and return the events of host and device.

        Each is a span of its name; a record of the device and the host's call that caused it have the same
        `correlation`.

        Raises:
            RuntimeError: the device's records cannot be had.
        """

    def told_of_waits(self, tell: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `tell`, in the frame that waits, each time the host waits for the device inside."""

    def memory(self) -> Memory:
        """Return the allocator's statistics."""

    def reset_peaks(self) -> None:
        """Let the peaks begin at what is allocated now."""

    def holds(self, tensor: "torch.Tensor") -> bool:
        """Return whether a tensor's bytes are this allocator's."""


class Backend(Protocol):
    """One kind of device. Its module has one of these, called `BACKEND`, and the kind's name."""

    @property
    def title(self) -> str:
        """The kind in a sentence: "CUDA"."""

    @property
    def collectives(self) -> str:
        """What torch calls the backend by which ranks on such devices train: "gloo"."""

    @property
    def out_of_memory(self) -> tuple[type[BaseException], ...]:
        """What torch raises where memory of such a device is asked for in vain."""

    @property
    def memory_history(self) -> Callable[[Path, int], AbstractContextManager[None]] | None:
        """Records the allocations of the device of a number in a file; None where the allocator cannot."""

    def count(self) -> int:
        """Return how many of them torch can use here."""

    def is_in_use(self) -> bool:
        """Return whether torch may have queued work on one of them."""

    def device(self, index: int | None) -> Device | None:
        """Return the device of a number, or the current one; None where work is done when a call returns."""

    def words(self, name: str) -> str:
        """Return what a device is, in words."""

    def free_bytes(self, name: str) -> int | None:
        """Return the memory that can still be had on a device; None where the system does not tell."""

    def allow(self, name: str, more: int) -> Callable[[], None]:
        """Let this process take so many bytes more of a device's memory, and raise `out_of_memory` beyond.

        Returns:
            What takes the limit away again. Where there is no way to set one, nothing is limited.
        """

    def make_current(self, name: str) -> None:
        """Let a device be the one that is meant where torch is told no number."""

    def has_collectives(self) -> bool:
        """Return whether this torch was built with `collectives`."""
