"""What differs between torch's versions and builds, and what device can be had."""

import pytest
import torch

from harness.measure.torch_compat import build_flavour, check_device, release
from harness.workload.model import WorkloadError


@pytest.mark.parametrize(
    ("cuda", "hip", "flavour"),
    [(None, None, "cpu"), ("12.6", None, "cu126"), (None, "6.2.41133", "rocm6.2.41133")],
)
def test_a_build_is_called_as_its_wheels_are(
    cuda: str | None, hip: str | None, flavour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.version, "hip", hip, raising=False)

    assert build_flavour() == flavour


def test_a_release_has_no_build_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", "2.13.0+cpu")

    assert release() == "2.13.0"


def test_the_cpu_can_always_be_had() -> None:
    check_device("cpu")


@pytest.mark.parametrize("device", ["gpu", "tpu:0", "", "CUDA", "cpu:0"])
def test_an_unknown_device_is_refused_with_those_there_are(device: str) -> None:
    with pytest.raises(WorkloadError, match=f"^no device '{device}'; there are cpu and cuda$"):
        check_device(device)


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_cuda_where_there_is_none_is_refused(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    with pytest.raises(
        WorkloadError,
        match=f"^device '{device}' was asked for, but this torch sees no CUDA device; cpu works$",
    ):
        check_device(device)


@pytest.mark.parametrize("device", ["cuda:2", "cuda:x", "cuda:-1"])
def test_a_cuda_device_that_is_not_there_is_refused(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    with pytest.raises(WorkloadError, match=f"^no device '{device}'; there are 2 CUDA devices, from 0$"):
        check_device(device)
    check_device("cuda:1")
