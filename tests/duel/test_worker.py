"""Real workers with torch: what they refuse, what they need, and that they do not disturb the protocol."""

import shlex
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from sides import ROOT, Quiet, fake, is_running, repository, script, wait_for

from harness.duel.process import DuelError, Worker, start_worker
from harness.duel.session import DuelRules, Judged, hold_duel
from harness.duel.sides import SideSource
from harness.judge.finding import FindingState
from harness.setting import Setting

pytestmark = pytest.mark.process

PYTHON = shlex.quote(sys.executable)
# Everything that the harness depends on beside torch and what torch brings with it.
OTHERS = (
    "msgspec",
    "scipy",
    "typer",
    "rich",
    "tabulate",
    "memory_profiler",
    "matplotlib",
    "pytest_benchmark",
)

EXACT = Setting(budget=0)


def refusing(folder: Path, **sources: str) -> str:
    """Return an interpreter in which some modules are these sources."""
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source)
    return script(folder / "python", f'export PYTHONPATH={shlex.quote(str(folder))}\nexec {PYTHON} "$@"')


def bad(folder: Path, base: str) -> str:
    """Return what is said of a base that cannot be used."""
    with pytest.raises(DuelError) as caught:
        hold_duel(base, fake(folder, "head"), ("linear",), Quiet(), setting=EXACT)
    return str(caught.value)


def test_a_side_without_torch_says_so(tmp_path: Path) -> None:
    base = script(tmp_path / "python", f'exec {PYTHON} -S "$@"')

    assert f"base ({base}): it has no torch (Python 3." in bad(tmp_path, base)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("__version__ = '1.13.1'", "it has torch 1.13.1; torch 2.0 or newer is needed"),
        (
            "raise OSError('libc10.so: cannot open')",
            "its torch cannot be imported: OSError: libc10.so:",
        ),
        ("import nothing_of_the_sort", "its torch cannot be imported: ModuleNotFoundError: No module named"),
    ],
)
def test_a_torch_that_cannot_be_used_says_so(tmp_path: Path, source: str, said: str) -> None:
    assert said in bad(tmp_path, refusing(tmp_path, torch=source))


def test_a_python_that_is_too_old_says_so(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.version_info = (3, 8, 20)")

    assert "it is Python 3.8.20; Python 3.11 or newer is needed" in bad(tmp_path, refusing(tmp_path))


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Worker:
    """Return a worker in an interpreter that has torch and nothing else of what the harness needs."""
    folder = tmp_path_factory.mktemp("worker")
    blocked = {name: f"raise ModuleNotFoundError('{name} is not here', name='{name}')" for name in OTHERS}
    (folder / "loud.py").write_text(
        "import torch\n"
        "print('imported')\n"
        "net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU())\n"
        "def evaluation():\n"
        "    print('made')\n"
        "    def evaluate():\n"
        "        return net(torch.ones(2, 8))\n"
        "    return evaluate\n"
    )
    side = SideSource(name="base", given="x", python=Path(refusing(folder, **blocked)), tree=folder)
    found = start_worker(side, folder, method="spawn", threads=1, seed=1)
    yield found  # type: ignore[misc]
    found.close()


def test_a_worker_needs_torch_and_nothing_else(worker: Worker) -> None:
    worker.meet()
    asked = {
        "targets": ["mlp-relu", "loud:evaluation", "no:thing"],
        "questions": ["grad_mode", "freezing"],
        "setting": asdict(Setting()),
    }
    plan = worker.ask("plan", selection=asked)
    assert [(found["case"]["question"], found["arms"][0]) for found in plan["cases"]] == [
        ("grad_mode", "grad"),
        ("freezing", "all trainable"),
        ("call", "call"),
    ]
    assert "no module 'no' for no:thing" in plan["refused"]["no:thing"]
    assert worker.ask("describe", device="cpu")["environment"]["threads"] == 1

    for found in plan["cases"]:
        arms = found["arms"][:2]
        built = worker.ask("build", case=found["case"], arms=arms, seed=0, layout=1)
        assert list(built["seconds"]) == arms, built
        timed = worker.ask("time", arm=arms[0], calls=2, samples=3, refill=True)
        assert len(timed["seconds"]) == 3
        assert all(seconds > 0 for seconds in timed["seconds"])
        assert worker.ask("exact", arm=arms[0])["counts"]["saved"] > 0
    explained = worker.ask("explain", arm="call")["parts"]
    assert ["0", "Linear", "addmm", 1] in explained["operators"]
    assert {row[0] for row in explained["saved"]} <= {"0", "1"}
    assert worker.ask("drop") == {}
    assert worker.ask("nonsense") == {"error": "KeyError: 'nonsense'"}
    assert worker.ask("time", arm="call", calls=1, samples=1, refill=False) == {"error": "nothing is built"}
    worker.send("bye")
    worker.finish()
    assert worker.process.returncode == 0
    assert worker.printed() == "imported"


LOOP = """
import torch
from torch import nn


def evaluation():
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64))
    batches = [torch.randn(16, 64) for _ in range(3)]

    def evaluate():
        {context}
            return sum(net(batch).square().sum() for batch in batches)

    return evaluate
"""


@pytest.mark.slow
def test_a_commit_that_drops_no_grad_is_found_by_bytes_and_nodes_with_the_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = repository(
        tmp_path / "project",
        {"src/loop.py": LOOP.format(context="with torch.no_grad():")},
        {"src/loop.py": LOOP.format(context="if True:")},
    )
    monkeypatch.chdir(project)
    monkeypatch.setenv("PYTHONPATH", str(project / "src"))  # as an editable installation has it

    found = Judged.of(hold_duel("v0", "v1", ("loop:evaluation",), Quiet(), setting=EXACT))
    worse = {
        finding.metric: finding for finding in found.outcome.findings if finding.state is FindingState.WORSE
    }
    assert worse["nodes"].base == 0
    assert worse["saved"].base == 0
    assert "0 (Linear)" in worse["peak"].detail or "2 (Linear)" in worse["peak"].detail
    assert "1 (ReLU)" in worse["saved"].detail

    same = Judged.of(
        hold_duel("v1", ".", ("loop:evaluation",), Quiet(), rules=DuelRules(start="fork"), setting=EXACT)
    )
    assert same.outcome.findings == ()
    assert sum(same.outcome.equal.values()) > 5


@pytest.mark.slow
def test_code_of_the_working_tree_does_not_stand_in_for_a_revisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = repository(tmp_path / "project", {"lib/loop.py": LOOP.format(context="if True:")})
    monkeypatch.chdir(project)
    monkeypatch.setenv("PYTHONPATH", str(project / "lib"))  # neither the root nor src/

    with pytest.raises(DuelError, match=r"base \(v0\) imported loop from .*, which is the working tree"):
        hold_duel("v0", ".", ("loop:evaluation",), Quiet(), setting=EXACT)


@pytest.mark.slow
def test_a_busy_worker_ends_with_its_referee(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(
        "import os, time\n"
        "def forever():\n"
        "    def call():\n"
        "        open(f'{os.getpid()}.calling', 'w').close()\n"
        "        time.sleep(600)\n"
        "    return call\n"
    )
    program = (
        "import sys; from pathlib import Path\n"
        "from harness.duel.process import start_worker; from harness.duel.sides import SideSource\n"
        "folder = Path(sys.argv[1])\n"
        "side = SideSource(name='base', given='x', python=Path(sys.executable), tree=folder)\n"
        "pids = []\n"
        "for method in ('spawn', 'fork'):\n"
        "    worker = start_worker(side, folder, method=method, threads=1, seed=1)\n"
        "    worker.meet()\n"
        "    if method == 'fork':\n"
        "        worker.send('fork')\n"
        "        worker.meet()\n"
        "    pids += [worker.pid, worker.process.pid]\n"
        "    case = {'question': 'call', 'model': 'busy:forever'}\n"
        "    worker.send('build', case=case, arms=['call'], seed=0, layout=1)\n"
        "(folder / 'made').write_text(' '.join(map(str, pids)))\n"
        "(folder / 'made').rename(folder / 'pids')\n"
        "worker.answer(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT) as referee:  # noqa: S603 (this interpreter)
        wait_for((tmp_path / "pids").exists, 120)
        wait_for(lambda: len(list(tmp_path.glob("*.calling"))) == 2, 60)
        referee.kill()
    every = [int(text) for text in (tmp_path / "pids").read_text().split()]
    assert len(set(every)) == 3  # the template has a copy
    wait_for(lambda: not any(is_running(pid) for pid in every))
