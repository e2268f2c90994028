"""Where this process stands among the ranks that a launcher started, and what it cannot run on."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.measure.devices.registry import backend_of, check_device, kind_of
from harness.setting import HOST

_TOLD = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class RanksError(HarnessError, RuntimeError):
    """Ranks that cannot measure together, in one sentence."""


@dataclass(frozen=True, slots=True)
class Place:
    """One rank among all, as torchrun's environment variables say."""

    rank: int
    ranks: int
    local_rank: int  # on its node
    local_ranks: int
    host: str

    @property
    def name(self) -> str:
        """The rank with what finds its process.

        >>> Place(1, 2, 1, 2, "node7").name.partition(", process")[0]
        'rank 1 (node7'
        """
        return f"rank {self.rank} ({self.host}, process {os.getpid()})"


def place_of(variables: Mapping[str, str], again: str) -> Place:
    """Read where this process stands.

    Args:
        variables: of the environment.
        again: the command as it was given, to be put behind a launcher.

    Raises:
        RanksError: no launcher started this process.
    """
    missing = [name for name in _TOLD if not variables.get(name)]
    if missing:
        raise RanksError(
            f"--wrap needs ranks, and no launcher started any ({missing[0]} is not set):"
            f" torchrun --nproc-per-node 2 -m {again}"
        )
    try:
        rank, ranks, local_rank, local_ranks = (int(variables[name]) for name in _TOLD[:4])
    except ValueError as error:
        raise RanksError(f"the launcher's variables are not numbers: {error}") from error
    return Place(rank, ranks, local_rank, local_ranks, socket.gethostname())


def started_by_launcher(variables: Mapping[str, str]) -> bool:
    """Return whether this process is one of several that a launcher started."""
    return variables.get("WORLD_SIZE", "1") not in {"", "1"} and bool(variables.get("RANK"))


def device_of_rank(place: Place, device: str) -> str:
    """Return the device of a rank, as torch calls it: the CPU, or the one of its number on its node.

    Raises:
        HarnessError: it cannot be used, or there are more ranks than devices.
    """
    check_device(device)
    if device == HOST:
        return device
    kind, backend = kind_of(device), backend_of(device)
    if device != kind:
        raise RanksError(f"every rank takes a device of its own; give --device {kind}, not {device}")
    devices = backend.count()
    if place.local_ranks > devices:
        raise RanksError(
            f"{place.local_ranks} ranks on {place.host} and {devices} {backend.title}"
            f" device{'s' * (devices != 1)}; start at most as many: torchrun --nproc-per-node {devices}"
        )
    return f"{kind}:{place.local_rank}"


def check_gloo() -> None:
    """Check that ranks can talk to each other.

    Raises:
        RanksError: this torch was built without gloo.
    """
    from torch import distributed

    if not distributed.is_available() or not distributed.is_gloo_available():
        raise RanksError(
            "this torch was built without gloo, by which ranks agree; the builds for Linux have it"
        )


def backend_for(device: str) -> str:
    """Return the backend of the steps' collectives.

    Raises:
        RanksError: this torch was built without one that is needed.
    """
    backend = backend_of(device)
    if not backend.has_collectives():
        raise RanksError(
            f"this torch was built without {backend.collectives.upper()}, by which {backend.title} ranks"
            f" train; --device {HOST} uses {backend_of(HOST).collectives}"
        )
    return backend.collectives
