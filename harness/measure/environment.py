"""Where a run is measured: machine, torch build, threads, commit, load."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import torch

import harness
from harness.measure import torch_compat
from harness.measure.devices.cpu import processor
from harness.measure.devices.registry import backend_of
from harness.measure.processors import processors

if TYPE_CHECKING:
    from harness.record.schema import Environment

_DECIDING_PACKAGES = ("transformers", "timm", "torchvision", "numpy")


def environment(device: str) -> "Environment":
    """Describe this process's environment."""
    from harness.record.schema import Environment  # what describes needs no package but torch

    return Environment(**described(device))


def described(device: str) -> dict[str, Any]:
    """Return the fields of this process's environment."""
    return {
        "harness": harness.__version__,
        "torch": torch_compat.release(),
        "build": torch_compat.build_flavour(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cpu_capability": torch_compat.cpu_capability(),
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "device": device_name(device),
        "commit": _commit(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0,
        "cores": processors(),
        "packages": _packages(),
        "host": platform.node(),
    }


def device_name(device: str) -> str:
    """Return what a device is, in words."""
    return backend_of(device).words(device)


def _packages() -> dict[str, str]:
    versions = {}
    for name in _DECIDING_PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _commit() -> str:
    """Return the commit of the working directory, with a "+" where files differ from it."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],  # noqa: S607 (git of the PATH)
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return described.stdout.strip()
