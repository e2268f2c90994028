"""The workflows: valid by GitHub's schema, and every command in them is one that works."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from quick_python import quick_python

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "examples" / "regression.yml"
WORKFLOWS = (*sorted((ROOT / ".github" / "workflows").glob("*.yml")), EXAMPLE)
NIGHTLY = ROOT / ".github" / "workflows" / "nightly.yml"
OURS = {"nightly.yml", "regression.yml", "release.yml", "weekly.yml"}
ACTION = ROOT / "action.yml"

MODELS = """
from torch import ones
from torch.nn import Linear


def classifier():
    return Linear(4, 2), ones(3, 4)
"""


def load(path: Path) -> dict[str, Any]:
    workflow: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return workflow


def commands(path: Path, job: str) -> list[tuple[str, str]]:
    """Return the name and the script of every step of a job that runs something."""
    return [(step["name"], step["run"]) for step in load(path)["jobs"][job]["steps"] if "run" in step]


def test_the_workflows_are_here() -> None:
    assert {path.name for path in WORKFLOWS} >= OURS


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_workflow_is_valid_by_githubs_schema(path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)  # noqa: S603 (literals)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_script_holds_an_expression_that_a_stranger_writes(path: Path) -> None:
    # GitHub pastes ${{ }} into a script before the shell reads it; a branch's name is anyone's text
    scripts = [
        text for job in load(path)["jobs"].values() for step in job["steps"] for text in [step.get("run", "")]
    ]

    assert not any("${{" in script for script in scripts)
    assert load(path)["permissions"] == {"contents": "read"}


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_action_is_pinned_by_its_hash_with_its_version(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))

    assert used or path == ACTION
    ours = [each for each in used if each.startswith("OWNER/")]
    pinned = [each for each in used if re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", each)]
    assert sorted([*ours, *pinned]) == sorted(used)


def test_the_slow_tests_run_every_night() -> None:
    assert commands(NIGHTLY, "slow") == [("Slow tests", "make test-slow")]
    assert "\ntest-slow: " in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "path", [path for path in WORKFLOWS if path != NIGHTLY], ids=lambda path: str(path.relative_to(ROOT))
)
def test_every_option_of_harness_is_one_that_the_command_has(path: Path) -> None:
    from typer.main import get_command

    from harness.commands import app

    known = get_command(app)
    scripts = "\n".join(
        step.get("run", "").replace("\\\n", " ")
        for job in load(path)["jobs"].values()
        for step in job["steps"]
    )
    used = re.findall(r"harness (compare|duel|gate|report|trend|measure|versions) ([^\n|>]*)", scripts)
    assert used
    for name, rest in used:
        options = {
            option for item in known.commands[name].params for option in (*item.opts, *item.secondary_opts)
        }
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in options


class Runner:
    """A folder in which scripts run as GitHub runs them, with nothing fetched."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        programs = folder.parent / "programs"
        programs.mkdir()
        scripts = Path(sys.executable).parent
        # installing is what cannot be done here: everything is installed already
        self._program(programs / "python", f'[ "$2" = pip ] && exit 0\nexec "{quick_python()}" "$@"\n')
        self._program(programs / "harness", f'exec "{quick_python()}" "{scripts / "harness"}" "$@"\n')
        self.environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "GITHUB_STEP_SUMMARY": str(folder.parent / "summary.md"),
            "GITHUB_OUTPUT": str(folder.parent / "output"),
            "PYTHONDONTWRITEBYTECODE": "1",
            **environment,
        }

    @staticmethod
    def _program(path: Path, text: str) -> None:
        path.write_text(f"#!/bin/bash\n{text}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(self, script: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        return subprocess.run(  # noqa: S603 (the workflow's own script)
            command,
            cwd=self.folder,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def output(self) -> str:
        path = Path(self.environment["GITHUB_OUTPUT"])
        return path.read_text(encoding="utf-8") if path.exists() else ""

    @property
    def summary(self) -> str:
        return Path(self.environment["GITHUB_STEP_SUMMARY"]).read_text(encoding="utf-8")


def commit(folder: Path) -> None:
    """Make a repository of a folder, or one more commit in it."""
    names = ["-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-qb", "main"], ["add", "."], [*names, "commit", "-qm", "a commit"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)  # noqa: S603, S607 (literals)


def exact_only(script: str) -> str:
    """Return the script of a duel that times nothing."""
    quick = script.replace("harness duel", "harness duel --budget 0")
    assert quick != script
    return quick


@pytest.mark.parametrize("path", [EXAMPLE, *(item for item in WORKFLOWS if item.name == "regression.yml")])
def test_the_gate_comes_first_then_the_duel_and_last_its_status(path: Path) -> None:
    names = [name for name, _ in commands(path, "measure")]

    assert names.index("Gate") < names.index("Duel of base against head")
    assert names[-1] == "Exit status of the duel"
    uploaded = next(
        step["with"]["path"]
        for step in load(path)["jobs"]["measure"]["steps"]
        if "path" in step.get("with", {})
    )
    assert {"duel.json", "duel.html"} <= set(uploaded.split())


def test_the_examples_commands_run(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    runner = Runner(
        tmp_path / "project",
        MODELS=load(EXAMPLE)["env"]["MODELS"].split()[0],  # a loop over two is as slow as it is long
        PYTHONPATH=str(tmp_path / "project"),
        TORCH="2.13.0",
        HARNESS=load(EXAMPLE)["env"]["HARNESS"],
    )
    package = runner.folder / "mypackage"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(MODELS)
    steps = dict(commands(EXAMPLE, "measure"))
    quick = steps["Measure"].replace("--budget 0.5", "--budget 0")
    assert quick != steps["Measure"]

    assert runner.run(steps["Install"]).returncode == 0
    measured = runner.run(quick)
    assert measured.returncode == 0, measured.stderr
    assert len(list((runner.folder / "runs").glob("*.json"))) == 1

    (runner.folder / "benchmarks" / "baselines").mkdir(parents=True)
    closed = runner.run(steps["Gate"])
    assert closed.returncode == 1
    assert "make one with `harness gate RUN.json --baseline DIR --update`" in closed.stdout
    assert runner.run(steps["Gate"].rstrip() + " --update").returncode == 0
    assert runner.run(steps["Gate"]).returncode == 0

    commit(runner.folder)
    (package / "models.py").write_text(MODELS.replace("return Linear(4, 2)", "return Linear(4, 3)"))
    commit(runner.folder)
    duel = exact_only(steps["Duel of base against head"])
    held = runner.run(duel, BASE="HEAD~1")
    assert held.returncode == 0, held.stdout + held.stderr
    assert runner.output == "status=1\n"
    assert runner.run(steps["Exit status of the duel"], STATUS="1").returncode == 1
    assert runner.run(steps["Exit status of the duel"], STATUS="").returncode == 0
    assert runner.summary.startswith("### FAIL: ")

    assert runner.run(steps["Report"]).returncode == 0
    assert "### PASS: " in runner.summary
    assert (runner.folder / "junit.xml").exists()
    assert (runner.folder / "bencher.json").exists()


@pytest.mark.slow
def test_the_steps_of_the_action_run(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    runner = Runner(
        tmp_path / "project",
        PYTHONPATH=str(tmp_path / "project"),
        GITHUB_ACTION_PATH=str(ROOT),
        RUNNER_TEMP=str(tmp_path / "temporary"),
        TARGETS="models:classifier models:classifier",
        OPTIONS=load(ACTION)["inputs"]["options"]["default"],
        BASELINE=load(ACTION)["inputs"]["baseline"]["default"],
    )
    (runner.folder / "models.py").write_text(MODELS)
    steps = {step["name"]: step["run"] for step in load(ACTION)["runs"]["steps"]}

    assert runner.run(steps["Install"]).returncode == 0
    measured = runner.run(steps["Measure"])
    assert measured.returncode == 0, measured.stderr
    update = "harness gate $RUNNER_TEMP/harness/*.json --baseline $BASELINE --update"
    assert runner.run(update).returncode == 0
    held = runner.run(steps["Gate"])
    assert held.returncode == 0, held.stdout + held.stderr
    assert runner.summary.startswith("### PASS: ")

    (runner.folder / "models.py").write_text(MODELS.replace("return Linear(4, 2)", "return Linear(4, 3)"))
    assert runner.run(steps["Measure"]).returncode == 0
    assert runner.run(steps["Gate"]).returncode == 1


@pytest.mark.slow
def test_this_projects_commands_run(tmp_path: Path) -> None:
    path = ROOT / ".github" / "workflows" / "regression.yml"
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "bench", folder / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    commit(folder)
    runner = Runner(
        folder,
        BENCH="bench/test_grad_mode.py",
        BASELINES="results/baselines",
        BUDGET="0",
        BASE="HEAD",
        TARGETS="linear",
        TORCH="2.13.0",
        PYTEST_ADDOPTS="--harness-models linear -p no:cacheprovider",
    )
    steps = dict(commands(path, "measure"))
    for name in ("Install", "Measure head"):
        done = runner.run(steps[name])
        assert done.returncode == 0, done.stdout + done.stderr
    assert runner.run(steps["Gate"]).returncode == 2  # there is no folder of baselines yet
    assert runner.run(steps["Gate"].rstrip() + " --update").returncode == 0
    steps["Duel of base against head"] = exact_only(steps["Duel of base against head"])
    for name in ("Gate", "Duel of base against head", "Summary of the duel", "Exit status of the duel"):
        done = runner.run(steps[name])
        assert done.returncode == 0, done.stdout + done.stderr
    assert runner.output == ""
    assert {"duel.json", "duel.html", "duel.md"} <= {item.name for item in folder.iterdir()}
    assert runner.summary.startswith("### PASS: ")

    (folder / "runs" / "run-torch-2.13.0").mkdir(parents=True)
    shutil.copy(folder / "head.json", folder / "runs" / "run-torch-2.13.0")
    for name, script in commands(path, "report"):
        done = runner.run(script)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    assert sorted(item.name for item in (folder / "report").iterdir()) == [
        "bencher.json",
        "benchmark.json",
        "findings.json",
        "junit.xml",
        "page.html",
        "summary.md",
    ]


@pytest.mark.slow
def test_the_weekly_commands_run(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "bench", folder / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    runner = Runner(folder, PYTEST_ADDOPTS="--harness-models linear -k grad_mode -p no:cacheprovider")
    for name, script in commands(ROOT / ".github" / "workflows" / "weekly.yml", "newest"):
        done = runner.run(script.replace("--harness-budget 0.2", "--harness-budget 0"))
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    assert runner.summary.startswith("### PASS: ")


def test_the_release_publishes_what_was_built_and_tried_with_an_identity_and_no_secret() -> None:
    path = ROOT / ".github" / "workflows" / "release.yml"
    jobs = load(path)["jobs"]

    assert [name for name, _ in commands(path, "build")] == [
        "Build",
        "The tag is the version",
        "Try the wheel",
    ]
    assert jobs["publish"]["needs"] == "build"
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert "permissions" not in jobs["build"]
    assert "secrets" not in path.read_text(encoding="utf-8")
    assert "uv publish --trusted-publishing always" in commands(path, "publish")[-1][1]
