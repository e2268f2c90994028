"""What differs between torch's versions and builds."""

import pytest
import torch

from harness.measure.torch_compat import build_flavour, release


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
