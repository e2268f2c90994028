"""Recording what one call does: torch's profiler, with marks, notes, and modules as spans."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch import profiler as whole_profiler
from torch.autograd.profiler import profile
from torch.profiler import ProfilerActivity, record_function, supported_activities

from harness.measure.devices.protocol import Device
from harness.measure.torch_compat import events_kept
from harness.measure.trace import Trace
from harness.measure.trace_file import MARK, MODULE, NOTE, exported_events, read_events
from harness.workload.hooks import hookable


@dataclass(slots=True)
class Recording:
    """A session of torch's profiler, with marks set in it; what it saw can be read when it has ended."""

    device: Device | None
    marks: int = 0
    events: Sequence[dict[str, Any]] = ()

    def mark(self) -> int:
        """Set a mark, and return its number."""
        with record_function(MARK):
            pass
        self.marks += 1
        return self.marks - 1

    def trace(self) -> Trace:
        """Return the trace with the allocations of its device, or of the CPU where it has none."""
        return read_events(self.events, self.device)

    def trace_of_all(self) -> Trace:
        """Return the trace with the allocations of the CPU and of all devices."""
        return read_events(self.events, of=lambda _arguments: True)


def _profiler(device: Device | None) -> Any:
    """Return torch's profiler, not started.

    Both are public and write the same file. `torch.profiler.profile` imports torch's compiler when it first
    starts, which takes 2.4 s with torch 2.13; the one underneath it does not.
    """
    if device is None:
        return profile(profile_memory=True, use_kineto=True)
    activities = {ProfilerActivity.CPU}
    if sees_launches():
        activities.add(ProfilerActivity.CUDA)
    return whole_profiler.profile(activities=activities, profile_memory=True, **events_kept())


@contextmanager
def recording(device: Device | None = None) -> Iterator[Recording]:
    """Run the profiler, and read what it saw when the block ends.

    Args:
        device: whose allocations and kernel launches are wanted; None for the CPU's allocations.
    """
    session = Recording(device)
    with _profiler(device) as profiler:
        yield session
    session.events = exported_events(profiler)


def trace(
    stretches: Sequence[Callable[[], object]], follow: nn.Module | None = None, device: Device | None = None
) -> Trace:
    """Run the stretches twice under the profiler, and return what the second time did.

    Frees of memory that was allocated before the profiler first ran are not reported, which is why
    everything runs once before. What a stretch returns is held until after its mark.

    Args:
        stretches: what to call, in order, with a mark before, between and after.
        follow: a module whose submodules' forward passes are wanted as spans.
        device: whose allocations and kernel launches are wanted; None for the CPU's allocations.
    """
    with recording(device) as session, followed(follow):
        for call in stretches:
            call()
        session.mark()
        for call in stretches:
            result = call()
            session.mark()
            del result
    return session.trace()


def sees_launches() -> bool:
    """Return whether this torch's profiler is told of what is launched on a CUDA device."""
    return ProfilerActivity.CUDA in supported_activities()  # type: ignore[no-untyped-call]


def note(text: str) -> None:
    """Write a text into the trace at this moment; it allocates nothing."""
    with record_function(NOTE + text):
        pass


@contextmanager
def span(name: str) -> Iterator[None]:
    """Make what runs inside a span of the trace."""
    with record_function(name):
        yield


@contextmanager
def followed(module: nn.Module | None) -> Iterator[None]:
    """Make every submodule's forward pass a span of the trace, named by its path."""
    # A row for each thread: a model that runs its modules in several ends them in no order.
    ranges: dict[int, list[Any]] = defaultdict(list)

    def enter(path: str) -> Callable[[nn.Module, Any], None]:
        def hook(_module: nn.Module, _inputs: Any) -> None:
            span: Any = record_function(MODULE + path)
            ranges[threading.get_ident()].append(span)
            span.__enter__()

        return hook

    def leave(_module: nn.Module, _inputs: Any, _output: Any) -> None:
        ranges[threading.get_ident()].pop().__exit__(None, None, None)

    handles = []
    for path, child in hookable(module) if module is not None else ():
        handles.append(child.register_forward_pre_hook(enter(path)))
        handles.append(child.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for span in reversed(ranges[threading.get_ident()]):  # of modules whose forward pass raised
            span.__exit__(None, None, None)
