"""Where a run is measured, as far as it can decide a number."""

import os
import platform
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import torch

import harness
from harness.measure.devices.cpu import processor
from harness.measure.environment import device_name, environment

pytestmark = pytest.mark.process


def git(*arguments: str) -> None:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], check=True, capture_output=True)  # noqa: S603, S607


def test_the_environment_is_that_of_this_process() -> None:
    seen = environment("cpu")

    assert seen.harness == harness.__version__
    assert seen.torch == torch.__version__.partition("+")[0]
    assert seen.python == platform.python_version()
    assert seen.threads == torch.get_num_threads()
    assert seen.interop_threads == torch.get_num_interop_threads()
    assert seen.cpu_capability in torch.__config__.show()
    assert seen.device == f"{os.cpu_count()} cores of {processor()}"
    assert seen.load >= 0
    assert seen.packages.keys() >= {"numpy"}


def test_intra_op_threads_are_not_inter_op_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        seen = environment("cpu")
    finally:
        torch.set_num_threads(before)

    assert seen.threads == 3
    assert seen.interop_threads == torch.get_num_interop_threads()


def test_a_run_begins_at_a_time_with_its_zone() -> None:
    started = datetime.fromisoformat(environment("cpu").started)

    assert started.utcoffset() == timedelta(0)


def test_the_processor_has_a_name() -> None:
    assert processor()
    assert device_name("cpu").endswith(processor())


def test_there_is_no_commit_outside_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))

    assert environment("cpu").commit == ""


def test_a_commit_is_twelve_digits_and_a_plus_where_files_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("one")
    for arguments in (("init",), ("add", "."), ("commit", "-m", "one"), ("tag", "v1")):
        git(*arguments)
    clean = environment("cpu").commit
    (tmp_path / "file").write_text("two")

    assert len(clean) == 12
    assert set(clean) <= set("0123456789abcdef")
    assert environment("cpu").commit == clean + "+"


def test_no_git_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert environment("cpu").commit == ""
