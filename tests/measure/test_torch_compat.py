"""What differs between torch's versions and builds."""

import pytest
import torch

from harness.measure.torch_compat import build_flavour, events_kept, release


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


def test_a_profiler_that_can_keep_its_events_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.profiler, "profile", lambda *, acc_events=False: acc_events)
    assert events_kept() == {"acc_events": True}

    monkeypatch.setattr(torch.profiler, "profile", lambda *, activities=None: activities)
    assert events_kept() == {}


def test_this_torchs_profiler_takes_what_it_is_told() -> None:
    with torch.profiler.profile(activities={torch.profiler.ProfilerActivity.CPU}, **events_kept()):
        torch.ones(1)
