"""Every difference between torch versions and builds; nothing else asks for the version."""

import torch

from harness.workload.model import WorkloadError


def build_flavour() -> str:
    """Return what torch was built for: "cpu", "cu126", "rocm6.2"."""
    if torch.version.cuda:
        return "cu" + torch.version.cuda.replace(".", "")
    hip = getattr(torch.version, "hip", None)  # absent before torch 1.8's ROCm builds and on some forks
    return f"rocm{hip}" if hip else "cpu"


def release() -> str:
    """Return the version without its build, as in "2.13.0"."""
    return torch.__version__.partition("+")[0]


def cpu_capability() -> str:
    """Return the instruction set that torch's kernels take: "AVX2", "AVX512", "DEFAULT"."""
    if hasattr(torch.backends, "cpu"):
        return str(torch.backends.cpu.get_cpu_capability())
    # torch < 2.1 says it only in this text; drop with that tox factor.
    said = torch.__config__.show().partition("CPU capability usage: ")[2].split()
    return said[0] if said else "DEFAULT"


def check_device(device: str) -> None:
    """Check that a device can be used here.

    Raises:
        WorkloadError: it cannot; the sentence names what would have worked.
    """
    kind = device.partition(":")[0]
    if device != "cpu" and kind != "cuda":
        raise WorkloadError(f"no device {device!r}; there are cpu and cuda")
    if kind == "cuda" and not torch.cuda.is_available():
        raise WorkloadError(f"device {device!r} was asked for, but this torch sees no CUDA device; cpu works")
    index = device.partition(":")[2]
    if index and not (index.isdecimal() and int(index) < torch.cuda.device_count()):
        raise WorkloadError(
            f"no device {device!r}; there are {torch.cuda.device_count()} CUDA devices, from 0"
        )
