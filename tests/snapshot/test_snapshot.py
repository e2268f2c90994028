"""A snapshot of marked tests: written on request, equal on the next run, red on any difference."""

import pytest
import torch

import harness.limiting.block
import harness.measure.environment  # noqa: F401 (pytester unloads what is new after each suite)

pytest_plugins = ["pytester"]

QUICK = [f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "anyio", "benchmark")]
SUITE = """
import pytest, torch
from torch import nn

net, x = nn.Sequential(nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 3)), torch.ones(4, 8)

@pytest.mark.autograd_snapshot
@pytest.mark.autograd_limits(saved="1 KiB")
def test_forward():
    {body}

@pytest.mark.autograd_snapshot
def test_other():
    net(x)

def test_unmarked():
    net(x)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    torch.set_num_threads(1)
    pytester.makepyfile(test_nets=SUITE.format(body="torch.no_grad()(net)(x)"))
    return pytester


def test_a_snapshot_is_written_and_holds_on_the_next_run(suite: pytest.Pytester) -> None:
    wrote = suite.runpytest_inprocess("--harness-snapshot-update", *QUICK)
    held = suite.runpytest_inprocess("--harness-snapshot", *QUICK)

    wrote.assert_outcomes(passed=3)
    wrote.stdout.fnmatch_lines(["harness snapshot: *.json: 2 of 2 tests written anew, 0 gone"])
    held.assert_outcomes(passed=3)


def test_a_graph_more_is_red_and_says_what_grew(suite: pytest.Pytester) -> None:
    suite.runpytest_inprocess("--harness-snapshot-update", *QUICK)
    suite.makepyfile(test_nets=SUITE.format(body="net(x)"))
    red = suite.runpytest_inprocess("--harness-snapshot", *QUICK)

    red.assert_outcomes(passed=2, failed=1)
    red.stdout.fnmatch_lines(["saved: 0 -> 256 (+256); most of it in 1 (Sigmoid)"])


def test_a_test_that_is_not_in_it_fails_and_says_what_adds_it(suite: pytest.Pytester) -> None:
    red = suite.runpytest_inprocess("--harness-snapshot", *QUICK)

    red.assert_outcomes(passed=1, failed=2)
    red.stdout.fnmatch_lines(["not in the snapshot *; --harness-snapshot-update adds it"])


def test_an_update_of_one_test_keeps_the_others_and_one_of_all_drops_what_is_gone(
    suite: pytest.Pytester,
) -> None:
    suite.runpytest_inprocess("--harness-snapshot-update", *QUICK)
    (path,) = (suite.path / "harness-snapshots").iterdir()
    before = path.read_text()
    suite.runpytest_inprocess("--harness-snapshot-update", "test_nets.py::test_other", *QUICK)
    assert path.read_text() == before

    suite.makepyfile(test_nets=SUITE.format(body="net(x)").replace("test_other", "test_another"))
    gone = suite.runpytest_inprocess("--harness-snapshot-update", *QUICK)
    gone.stdout.fnmatch_lines(["harness snapshot: *: 2 of 2 tests written anew, 1 gone"])
    assert "test_other" not in path.read_text()


def test_the_file_is_sorted_and_the_gates(suite: pytest.Pytester) -> None:
    from harness.record.baseline import read_baselines

    suite.runpytest_inprocess("--harness-snapshot-update", *QUICK)
    (baseline,) = read_baselines(suite.path / "harness-snapshots").values()

    assert list(baseline.values) == [
        ("test_nets.py::test_forward", "test"),
        ("test_nets.py::test_other", "test"),
    ]
    assert baseline.values["test_nets.py::test_other", "test"]["saved"] == 256


EVALUATED = """
import torch
from torch import nn

class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x):
        return self.linear(x{more})

{decorator}
def evaluate(net, x):
    return sum(net(x).sum().item() for _ in range(3))
"""
EVALUATES = """
import pytest, torch
from nets import Attention, evaluate
from torch import nn

net, x = nn.Sequential(Attention(), Attention()), torch.ones(4, 8)

@pytest.mark.autograd_snapshot
def test_train_and_evaluate():
    net(x).sum().backward()
    evaluate(net, x)
"""


def nets(suite: pytest.Pytester, *, decorator: str = "@torch.no_grad()", more: str = "") -> None:
    suite.makepyfile(nets=EVALUATED.format(decorator=decorator, more=more), test_nets=EVALUATES)


def test_a_lost_no_grad_is_named_where_the_test_records_graphs_of_its_own_too(
    suite: pytest.Pytester,
) -> None:
    nets(suite)
    suite.runpytest_inprocess("--harness-snapshot-update", *QUICK)
    nets(suite, decorator="# a line that was not there\n")
    red = suite.runpytest_inprocess("--harness-snapshot", *QUICK)

    red.assert_outcomes(failed=1)
    red.stdout.fnmatch_lines(["no_grad lost in evaluate (nets.py:15)", "nodes: *"])


def test_one_more_reshape_is_named_with_its_module_and_can_be_shown_alone(suite: pytest.Pytester) -> None:
    nets(suite)
    suite.runpytest_inprocess("--harness-snapshot-update", *QUICK)
    nets(suite, more=".reshape(2, 2, 8).reshape(4, 8)")
    red = suite.runpytest_inprocess("--harness-snapshot", *QUICK)
    shown = suite.runpytest_inprocess("--harness-snapshot", "-o", "harness_snapshot_counts=show", *QUICK)

    said = "each of 2 * (Attention) makes 8 more reshape, no byte changed"
    red.assert_outcomes(failed=1)
    red.stdout.fnmatch_lines([said, "operators: *"])
    shown.assert_outcomes(passed=1)
    shown.stdout.fnmatch_lines(
        [f"changed: test_nets.py::test_train_and_evaluate: {said}; nodes: *; operators: *"]
    )


def test_a_lost_no_grad_is_no_count_that_can_be_shown_alone(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_nets=SUITE.format(body="torch.no_grad()(nn.Unflatten(0, (4, 4)))(net[0].weight)"))
    suite.runpytest_inprocess("--harness-snapshot-update", *QUICK)
    suite.makepyfile(test_nets=SUITE.format(body="nn.Unflatten(0, (4, 4))(net[0].weight)"))
    red = suite.runpytest_inprocess("--harness-snapshot", "-o", "harness_snapshot_counts=show", *QUICK)

    red.assert_outcomes(passed=2, failed=1)
    red.stdout.fnmatch_lines(["no_grad lost in test_forward (test_nets.py:*)", "nodes: 0 -> *"])


def test_a_snapshot_from_before_modules_were_kept_says_so_and_what_adds_them(suite: pytest.Pytester) -> None:
    nets(suite)
    suite.runpytest_inprocess("--harness-snapshot-update", *QUICK)
    (path,) = (suite.path / "harness-snapshots").iterdir()
    path.write_text(path.read_text().partition('],\n"callers"')[0] + "]}\n")
    green = suite.runpytest_inprocess("--harness-snapshot", *QUICK)
    nets(suite, more=".reshape(2, 2, 8).reshape(4, 8)")
    red = suite.runpytest_inprocess("--harness-snapshot", *QUICK)

    green.assert_outcomes(passed=1)
    red.assert_outcomes(failed=1)
    red.stdout.fnmatch_lines(
        ["the snapshot holds no modules, so none is named; --harness-snapshot-update, at the base, adds them"]
    )


def test_what_counts_do_is_asked_in_words_that_there_are(suite: pytest.Pytester) -> None:
    refused = suite.runpytest_inprocess("--harness-snapshot", "-o", "harness_snapshot_counts=warn", *QUICK)

    refused.stderr.fnmatch_lines(["ERROR: harness_snapshot_counts is 'warn'; it is 'fail' or 'show'"])
