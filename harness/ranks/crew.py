"""The ranks as one: they meet, agree, and put together what each of them found."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from torch import distributed

from harness.measure.devices.registry import backend_of, device_of
from harness.ranks.place import Place

_PATIENCE_S = 60  # more than an alarm has, which ends a run first and says why


@dataclass(frozen=True, slots=True)
class Crew:
    """All ranks of a run, seen from one of them; every method is called by all of them together."""

    place: Place
    device: str  # of this rank, as torch calls it
    backend: str
    group: Any  # of what ranks tell each other; gloo, so that it needs no device

    @property
    def leads(self) -> bool:
        """Whether this is rank 0, which decides and writes."""
        return self.place.rank == 0

    def meet(self) -> None:
        """Wait until all ranks are here, and their devices have nothing left to do."""
        device = device_of(self.device)
        if device is not None:
            device.synchronize()
        distributed.barrier(group=self.group)

    def told(self, value: Any) -> Any:
        """Return rank 0's value on every rank."""
        box = [value]
        distributed.broadcast_object_list(box, src=0, group=self.group)
        return box[0]

    def gathered(self, value: Any) -> list[Any]:
        """Return the values of all ranks, by rank."""
        values: list[Any] = [None] * self.place.ranks
        distributed.all_gather_object(values, value, group=self.group)
        return values


@contextmanager
def joined(place: Place, device: str, backend: str, store: Any, time_limit: float) -> Iterator[Crew]:
    """Make the process groups, and take them down where all went well.

    After an error they are left to the end of the process: taking them down waits for ranks that are gone.
    """
    patience = timedelta(seconds=time_limit + _PATIENCE_S)
    backend_of(device).make_current(device)
    distributed.init_process_group(
        backend, store=store, rank=place.rank, world_size=place.ranks, timeout=patience
    )
    # "gloo" by default has its own group too: what ranks say to each other is not counted with a step's.
    group = distributed.new_group(backend="gloo", timeout=patience)
    yield Crew(place, device, backend, group)
    distributed.destroy_process_group()
