"""The counters of a device's allocator over one step, part by part, with the peaks reset before each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.measure.devices.protocol import Device, Memory


@dataclass(frozen=True, slots=True)
class AllocatorCounters:
    """The allocator before and after each stretch that was run.

    Attributes:
        before: at the start of each stretch, with the peaks just reset.
        after: at its end, while what it returned is still held.
    """

    before: tuple[Memory, ...]
    after: tuple[Memory, ...]

    def peak_bytes(self) -> int:
        """Return the highest level of requested bytes above the level at the start."""
        return max(after.requested_peak for after in self.after) - self.before[0].requested

    def retained_bytes(self) -> int:
        """Return the requested bytes at the end, relative to the start."""
        return self.after[-1].requested - self.before[0].requested

    def allocated_peak_bytes(self) -> int:
        """Return the highest level of bytes in blocks, as the allocator rounds them, above the start."""
        return max(after.allocated_peak for after in self.after) - self.before[0].allocated

    def reserved_peak_bytes(self) -> int:
        """Return the most bytes that were held from the driver, whoever asked for them."""
        return max(after.reserved_peak for after in self.after)

    def allocations(self) -> int:
        """Return how many blocks were handed out."""
        return self.after[-1].blocks - self.before[0].blocks

    def retries(self) -> int:
        """Return how often memory ran out and the allocator emptied its cache to go on."""
        return self.after[-1].retries - self.before[0].retries

    def stretch(self, index: int) -> "AllocatorCounters":
        """Return one stretch by itself."""
        return AllocatorCounters((self.before[index],), (self.after[index],))


def count_allocations(stretches: Sequence[Callable[[], object]], device: Device) -> AllocatorCounters:
    """Run the stretches twice, and return what the allocator says of the second time.

    The first time pays for what libraries take once and keep: workspaces, one a thread that multiplies.
    What a stretch returns is held until it has been read.
    """
    _ = device.workspace_bytes  # taken here, it is named; taken by a stretch, it would be retained
    for call in stretches:
        call()
    before, after = [], []
    for call in stretches:
        device.synchronize()
        device.reset_peaks()
        before.append(device.memory())
        result = call()
        device.synchronize()
        after.append(device.memory())
        del result
    return AllocatorCounters(tuple(before), tuple(after))
