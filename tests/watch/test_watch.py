"""What the watch lists, what it leaves alone, and that a suite runs as it ran without it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.utils.checkpoint

import harness.watch.watcher
from harness.watch import torch_doors

pytest_plugins = ["pytester"]

QUICK = [f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "anyio", "benchmark", "xdist")]
NETS = """
import torch
from torch import nn

net = nn.Sequential(nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 3))
x = torch.ones(4, 8)

def score(net, x, times=3):
    net.eval()
    total = 0
    for _ in range(times):
        total += net(x).argmax().item()
    return total
"""
FAULTY = """
from nets import net, score, x

def test_score():
    score(net, x)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(nets=NETS, test_nets=FAULTY)
    pytester.syspathinsert()
    return pytester


def found(suite: pytest.Pytester, *options: str, passed: int = 1) -> list[dict[str, object]]:
    done = suite.runpytest_inprocess("--harness-watch", "--harness-watch-json=found.json", *options, *QUICK)
    done.assert_outcomes(passed=passed)
    written = json.loads((suite.path / "found.json").read_text())
    assert written["stopped"] == []
    return list(written["findings"])


def test_a_finding_says_where_how_often_and_how_many_bytes(suite: pytest.Pytester) -> None:
    (finding,) = found(suite)

    assert finding == {
        "kind": "unused",
        "test": "test_nets.py::test_score",
        "file": "nets.py",
        "line": 11,
        "function": "score",
        "module": "Sequential",
        "times": 3,
        "bytes": 256,  # the sigmoid's output: 4 x 16 floats
        "names": [],
        "tests": 1,
    }


def test_the_list_is_printed_with_its_remedy(suite: pytest.Pytester) -> None:
    done = suite.runpytest_inprocess("--harness-watch", *QUICK)

    done.stdout.fnmatch_lines(
        [
            "*harness watch: 1 found*",
            "nets.py:11 in score",
            "    Sequential recorded a graph that no backward pass used, 3 times, 256 B each",
            "    -> put torch.no_grad() around that call",
            "    in test_nets.py::test_score",
        ]
    )
    assert done.ret == 0


def test_the_flag_takes_no_path_for_its_value_and_fail_fails(suite: pytest.Pytester) -> None:
    assert suite.runpytest_inprocess("--harness-watch", "test_nets.py", *QUICK).ret == 0
    done = suite.runpytest_inprocess("--harness-watch=fail", "test_nets.py", *QUICK)
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*harness watch: 1 found, so the run fails*"])


def test_the_flag_reads_nothing_above_the_suite(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    (suite.path / "conftest.py").write_text("raise RuntimeError('of another suite')")
    inner = suite.mkdir("inner")
    (suite.path / "test_nets.py").rename(inner / "test_nets.py")
    monkeypatch.chdir(inner)

    assert suite.runpytest_inprocess(*QUICK).ret == 0
    assert suite.runpytest_inprocess("--harness-watch", *QUICK).ret == 0


def test_the_flag_refuses_another_word_in_one_line(suite: pytest.Pytester) -> None:
    done = suite.runpytest_inprocess("--harness-watch=often", *QUICK)

    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: --harness-watch=often is unknown; give --harness-watch alone, or *"])


def test_an_ini_file_asks_for_it_and_ignores_by_pattern(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\nharness_watch = fail\nharness_watch_ignore = nets.py:1*\n")

    assert suite.runpytest_inprocess(*QUICK).ret == 0
    suite.makeini("[pytest]\nharness_watch = fail\nharness_watch_ignore = other.py\n")
    assert suite.runpytest_inprocess(*QUICK).ret == 1


def test_a_marked_test_is_not_listed(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_nets="import pytest\npytestmark = pytest.mark.harness_unwatched\n" + FAULTY)

    assert found(suite) == []


def test_junit_has_a_property(suite: pytest.Pytester) -> None:
    found(suite, "--junitxml=junit.xml")

    assert '<property name="harness_watch" value="1 found"' in (suite.path / "junit.xml").read_text()


BENIGN = {
    "a test of shapes": "assert net(x).shape == (4, 3)",
    "a test of shapes in a loop": "for _ in range(5):\n        assert net.eval()(x).shape == (4, 3)",
    "a training step": "net(x).sum().backward()",
    "a gradient by grad": "torch.autograd.grad(net(x).sum(), net[0].weight)",
    "a graph that is used twice": "y = net(x).sum(); y.backward(retain_graph=True); y.backward()",
    "a step of a GAN": "fake = net(x); fake.sum().backward(); net(x.detach()).mean().backward()",
    "an output that is no tensor": "Boxed()(x).said.sum().backward()",
    "a Jacobian": "torch.func.jacrev(net)(x)",
    "an ensemble": "torch.func.vmap(net)(x)",
    "a gradient of torch.func": (
        "torch.func.grad(lambda w: torch.func.functional_call(net, w, (x,)).sum())("
        "dict(net.named_parameters()))"
    ),
    "a checkpoint": "checkpoint(net, x.clone().requires_grad_(), use_reentrant=False).sum().backward()",
    "a reentrant checkpoint": (
        "checkpoint(net, x.clone().requires_grad_(), use_reentrant=True).sum().backward()"
    ),
    "a trace": "torch.fx.symbolic_trace(net)(x)",
    "a model without memory": "build_on_meta()",
    "a frozen model": "score(frozen, x)",
    "an exception in a forward pass": "fails(); net(x).sum().backward()",
    "a forward pass before an exception": "with pytest.raises(KeyError):\n        raises(net, x)",
    "a helper that returns what the net says": "assert said(net, x).shape == (4, 3)",
    "hooks of the suite's own": "with_hooks()",
}
HELPERS = """
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

class Boxed(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(8, 3)
    def forward(self, x):
        return Box(self.inner(x))

class Box:
    __slots__ = ("__dict__",)
    def __init__(self, said):
        self.said = said

frozen = nn.Linear(8, 3).requires_grad_(False)

def said(net, x):
    return net.eval()(x)

def build_on_meta():
    with torch.device("meta"):
        net = nn.Linear(8, 3)
        return net(torch.ones(4, 8)).shape

def fails():
    try:
        nn.Sequential(nn.Linear(8, 3), nn.Linear(8, 3))(torch.ones(4, 8))
    except RuntimeError:
        pass

def raises(net, x):
    y = net(x)
    raise KeyError(y.shape)

def with_hooks():
    from torch.nn.modules.module import register_module_forward_hook
    calls = []
    handle = register_module_forward_hook(lambda *_: calls.append(1))
    net = nn.Linear(8, 3)
    net(torch.ones(4, 8)).sum().backward()
    handle.remove()
    assert calls == [1]
"""


def test_what_is_benign_is_not_listed(suite: pytest.Pytester) -> None:
    bodies = [
        f"def test_{index}():\n    # {name}\n    {body}\n"
        for index, (name, body) in enumerate(BENIGN.items())
    ]
    suite.makepyfile(
        support=HELPERS,
        test_nets="import pytest, torch\nfrom nets import *\nfrom support import *\n\n" + "\n".join(bodies),
    )

    assert found(suite, passed=len(BENIGN)) == []


def test_a_backward_pass_in_a_later_test_counts(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        nets=NETS + "\nkept = []\ndef keep():\n    kept.append(net.eval()(x))\n",
        test_nets="""
        from nets import keep, kept

        def test_first():
            for _ in range(3):
                keep()

        def test_second():
            sum(each.sum() for each in kept).backward()
            kept.clear()
        """,
    )

    assert found(suite, passed=2) == []


def test_a_failure_of_the_watch_is_said_and_fails_no_test(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("of its own")

    monkeypatch.setattr(harness.watch.watcher.Passes, "leave", broken)
    done = suite.runpytest_inprocess("--harness-watch", *QUICK)

    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["the watch is not complete: ZeroDivisionError: of its own"])


def test_nothing_is_left_in_torch_after_a_session(suite: pytest.Pytester) -> None:
    before = (
        torch.optim.Optimizer.__init__,
        getattr(torch.nn.modules.module, "_has_any_global_hook", None),
        dict(torch.nn.modules.module._global_forward_hooks),
        dict(torch.nn.modules.module._global_forward_pre_hooks),
    )
    found(suite)

    assert before == (
        torch.optim.Optimizer.__init__,
        getattr(torch.nn.modules.module, "_has_any_global_hook", None),
        dict(torch.nn.modules.module._global_forward_hooks),
        dict(torch.nn.modules.module._global_forward_pre_hooks),
    )


def test_the_doors_of_torch_are_where_they_are_looked_for() -> None:
    # torch < 2.4 does not warn of hooks; drop with those tox factors
    if not torch.__version__.startswith(("2.0.", "2.1.", "2.2.", "2.3.")):
        assert hasattr(torch.nn.modules.module, "_has_any_global_hook")
    assert torch._C._get_tracing_state() is None
    seen = []
    torch.func.vmap(lambda x: seen.append(torch_doors.is_recorded_otherwise()) or x)(torch.ones(2))
    assert seen == [True]
    assert not torch_doors.is_recorded_otherwise()


LATE = """
import sys

def test_late():
    assert "torch" not in sys.modules
    from nets import net, score, x
    score(net, x)
"""


@pytest.mark.slow
def test_torch_may_be_imported_by_a_test(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_nets=LATE)
    done = suite.runpytest_subprocess("--harness-watch", "-pno:cacheprovider")

    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["nets.py:11 in score"])


@pytest.mark.slow
def test_workers_of_xdist_send_what_they_find(suite: pytest.Pytester) -> None:
    done = suite.runpytest_subprocess("--harness-watch=fail", "-n1", "-pno:cacheprovider")

    assert done.ret == 1
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["nets.py:11 in score"])


@pytest.mark.process
def test_without_the_flag_nothing_of_torch_or_of_the_watch_is_imported(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n\n"
        "def test_nothing():\n"
        "    loaded = [name for name in sys.modules\n"
        "              if name.startswith(('torch', 'harness.watch.', 'msgspec'))]\n"
        "    assert loaded == ['harness.watch.plugin'] or not loaded\n"
    )
    done = subprocess.run(  # noqa: S603 (this interpreter)
        [sys.executable, "-m", "pytest", "-q", "-pno:cacheprovider", "-pno:harness", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
