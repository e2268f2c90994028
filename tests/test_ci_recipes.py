"""The recipes of docs/ci.md, each run in a project that is made of the document's own text."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCUMENT = (Path(__file__).parent.parent / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", DOCUMENT, re.DOTALL)
CODE = [text for language, text in BLOCKS if language == "python"]
SAID = [text.strip().splitlines() for language, text in BLOCKS if language == "text"]
COMMANDS = [text.strip().splitlines() for language, text in BLOCKS if language == "sh"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(CODE[0])
    (tmp_path / "test_nets.py").write_text(CODE[1])
    return tmp_path


def lose_no_grad(project: Path) -> None:
    (project / "nets.py").write_text(CODE[0].replace("@torch.no_grad()\n", "\n"))


def run(project: Path, command: str) -> subprocess.CompletedProcess[str]:
    program, *arguments = command.split()
    quick = ["-pno:cacheprovider", "-pno:hypothesispytest", "-pno:benchmark", "-pno:harness"]
    return subprocess.run(  # noqa: S603 (no shell)
        [sys.executable, "-m", program, *arguments, *(quick if program == "pytest" else [])],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_document_has_the_recipes_that_are_run() -> None:
    assert COMMANDS == [
        ["pytest --harness-watch=fail"],
        ["pytest test_nets.py"],
        ["pytest --harness-snapshot-update", "pytest --harness-snapshot"],
        ["harness bisect HEAD~8 HEAD nets:build"],
    ]


@pytest.mark.slow
def test_the_flag_is_green_and_turns_red_where_no_grad_is_lost(project: Path) -> None:
    (project / "test_nets.py").write_text(
        CODE[1].replace("@pytest.mark.autograd_limits(saved=0, nodes=0)\n", "")
    )
    (command,) = COMMANDS[0]

    assert run(project, command).returncode == 0
    lose_no_grad(project)
    red = run(project, command)

    assert red.returncode == 1
    assert "\n".join(SAID[0]) in red.stdout


@pytest.mark.slow
def test_the_limit_is_green_and_turns_red_where_no_grad_is_lost(project: Path) -> None:
    (command,) = COMMANDS[1]

    assert run(project, command).returncode == 0
    lose_no_grad(project)
    red = run(project, command)

    assert red.returncode == 1
    assert "\n".join(SAID[1]) in red.stdout


@pytest.mark.slow
def test_the_gate_is_green_and_turns_red_where_no_grad_is_lost(project: Path) -> None:
    update, gate = COMMANDS[2]

    assert run(project, update).returncode == 0
    assert run(project, gate).returncode == 0
    (project / "test_nets.py").write_text(
        CODE[1].replace("@pytest.mark.autograd_limits(saved=0, nodes=0)\n", "")
    )
    lose_no_grad(project)
    red = run(project, gate)

    assert red.returncode == 1
    assert "\n".join(SAID[2]) in red.stdout
