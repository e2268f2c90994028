"""How small a change is: a command, a metric, a device and a setting are each added to a copy, and used."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from quick_python import quick_python

import harness

pytestmark = pytest.mark.process

NEW = ""  # in place of the line after which something is put in: the file is not there yet
COMMAND = {
    "commands/toy.py": (
        NEW,
        '''import typer


def toy() -> None:
    """Play."""
    typer.echo("played")


def register(app: typer.Typer, group: str) -> None:
    app.command(rich_help_panel=group)(toy)
''',
    ),
    "commands/__init__.py": ("COMMANDS = {\n", '    "toy": ("Play", "when you play"),\n'),
}
METRIC = {
    "measure/probes/energy.py": (
        NEW,
        """from harness.measure.probes.probe import Probe
from harness.record.measured import Metric

ENERGY = Metric("energy", "J", "lower", "exact", "joules of a step", everywhere=True)
PROBE = Probe((ENERGY,), lambda seen: {"energy": 1500})
""",
    ),
    "measure/probes/__init__.py": (
        "from harness.record.measured import Metric\n",
        "from harness.measure.probes import energy\n",
    ),
}
TABLE_OF_PROBES = {
    "measure/probes/__init__.py": ("PROBES: tuple[Probe, ...] = (", "energy.PROBE, "),
}
DEVICE = {
    "measure/devices/toy.py": (
        NEW,
        """from harness.measure.devices.cpu import CpuBackend


class Toy(CpuBackend):
    def count(self) -> int:
        return 0


BACKEND = Toy(title="Toy")
""",
    ),
    "setting.py": ("DEVICE_KINDS = (HOST, ", '"toy", '),
}
SETTING = {
    "setting.py": (
        '    device: str = _option("cpu", "device: cpu, cuda, cuda:1", "measure fit duel bisect pytest")\n',
        '    greeting: str = _option("", "line to say first", "fit")\n',
    ),
    "fitting/door.py": (
        "    began = time.perf_counter()\n    check_device(setting.device)\n",
        "    say(setting.greeting)\n",
    ),
}


def add(root: Path, changes: Mapping[str, tuple[str, str]]) -> None:
    """Make new files, and put lines behind those that are there."""
    for name, (after, text) in changes.items():
        path = root / "harness" / name
        if after == NEW:
            assert not path.exists()
            path.write_text(text, encoding="utf-8")
            continue
        before = path.read_text(encoding="utf-8")
        assert before.count(after) == 1
        path.write_text(before.replace(after, after + text), encoding="utf-8")


COMMANDS = (
    "toy",
    "measure linear --question grad_mode --no-curve --budget 0 -v",
    "measure linear --device toy",
    "fit linear --in 1GiB --budget 0 --greeting good-day",
)
# One process runs them all, for torch takes seconds to load.
RUN_ALL = """
import contextlib, io, json, sys
from harness.__main__ import main

outcomes = []
for command in sys.argv[1:]:
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["harness", *command.split()]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            outcomes.append([ended.code or 0, out.getvalue(), err.getvalue()])
print(json.dumps(outcomes))
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """Run the commands in a folder with a copy of the package to which all four were added."""
    root = tmp_path_factory.mktemp("copy")
    package = Path(harness.__file__).parent
    shutil.copytree(package, root / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    for changes in (COMMAND, METRIC, TABLE_OF_PROBES, DEVICE, SETTING):
        add(root, changes)
    done = subprocess.run(  # noqa: S603 (this interpreter)
        [quick_python(), "-c", RUN_ALL, *COMMANDS],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    return [Outcome(*each) for each in json.loads(done.stdout)]


def test_a_command_is_one_file_and_its_line_in_the_list(outcomes: list[Outcome]) -> None:
    assert outcomes[0] == Outcome(0, "played\n", "")


def test_a_metric_in_joules_is_one_file_and_its_line_in_the_table(outcomes: list[Outcome]) -> None:
    measured = outcomes[1]

    assert measured.status == 0, measured.err
    (headers,) = (line for line in measured.out.splitlines() if " saved " in line and "peak" in line)
    assert "energy" in headers
    assert measured.out.count("1,500 J") == 3  # of grad, no_grad and inference_mode


def test_a_device_is_one_file_and_its_name_in_the_list(outcomes: list[Outcome]) -> None:
    refused = outcomes[2]

    assert refused.status == 2
    assert "this torch sees no Toy device; cpu works" in " ".join(refused.err.split())


def test_a_setting_is_its_field_and_the_file_in_which_it_takes_effect(outcomes: list[Outcome]) -> None:
    fitted = outcomes[3]

    assert fitted.status == 0, fitted.err
    assert fitted.err.splitlines()[0] == "good-day"


def test_so_many_files_are_touched() -> None:
    metric = METRIC | TABLE_OF_PROBES

    assert [len(changes) for changes in (COMMAND, metric, DEVICE, SETTING)] == [2, 2, 2, 2]
    assert [after for after, _ in (COMMAND | metric | DEVICE).values()].count(NEW) == 3
