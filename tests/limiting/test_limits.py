"""Limits are exact to the byte, say who holds most, and refuse what is none."""

import pytest
import torch
from torch import nn

import harness
from harness.errors import HarnessError
from harness.limiting.usage import BlockUsage

pytest_plugins = ["pytester"]


@pytest.fixture
def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 3))


def measured(net: nn.Module, x: torch.Tensor) -> BlockUsage:
    with harness.limits(peak="1 GiB") as usage:
        net(x)
    return usage


def test_what_a_forward_pass_takes_is_known_by_hand(net: nn.Sequential) -> None:
    usage = measured(net, torch.randn(4, 8))

    # The sigmoid's output, 4 x 16 floats, is saved by the sigmoid and by the layer after it.
    assert usage.saved == 4 * 16 * 4
    assert usage.nodes == harness.ledger(harness.Model(net, (torch.randn(4, 8),))).nodes
    assert usage.waits == 0


@pytest.mark.parametrize("name", ["peak", "saved", "nodes"])
def test_a_limit_of_what_is_taken_holds_and_one_less_fails(net: nn.Sequential, name: str) -> None:
    x = torch.randn(4, 8)
    taken = getattr(measured(net, x), name)

    with harness.limits(**{name: taken}):
        net(x)
    with pytest.raises(AssertionError, match=r"1( B)? above the limit"), harness.limits(**{name: taken - 1}):
        net(x)


def test_equal_blocks_are_equal_whatever_was_freed_in_them_and_before(net: nn.Sequential) -> None:
    """The profiler tells that memory goes where an earlier block had something at the same address."""
    x, peaks = torch.randn(4, 8), set()

    def step() -> None:
        net.zero_grad()  # the gradients of the step before go
        net(x).sum().backward()

    for _ in range(40):
        step()
        with harness.limits(peak="1 GiB") as usage:
            step()
        peaks.add(usage.peak)

    assert len(peaks) == 1


def test_saved_bytes_and_operators_are_those_of_the_ledger(net: nn.Sequential) -> None:
    x = torch.randn(4, 8)
    usage, ledger = measured(net, x), harness.ledger(harness.Model(net, (x,)))

    assert usage.saved == ledger.saved_bytes
    assert usage.operators == ledger.operators


def test_the_message_names_the_module_that_holds_most(net: nn.Sequential) -> None:
    x = torch.randn(4, 8)  # in the block it would be memory that a graph holds too
    with pytest.raises(AssertionError) as raised, harness.limits(saved=0):
        net(x)

    said, where = str(raised.value).split("; recorded in ")
    assert said == (
        "saved: 256 B held for backward, 256 B above the limit of 0 B; most of it: 1 (Sigmoid) 256 B"
    )
    assert where.startswith(
        "test_the_message_names_the_module_that_holds_most (tests/limiting/test_limits.py:"
    )


def evaluate(net: nn.Sequential, batches: list[torch.Tensor]) -> float:
    return sum(net(batch).sum().item() for batch in batches)


def test_a_graph_that_should_not_be_is_told_with_the_function_that_records_it(net: nn.Sequential) -> None:
    with pytest.raises(
        AssertionError, match=r"; recorded in evaluate \(tests/limiting/test_limits.py:\d+\)$"
    ):
        harness.limits(nodes=0)(evaluate)(net, [torch.ones(4, 8)])
    with pytest.raises(AssertionError, match=r", or in evaluate \(tests/limiting/test_limits.py:\d+\)$"):
        harness.assert_no_graph(lambda: evaluate(net, [torch.ones(4, 8)]))


def test_a_limit_above_0_says_nothing_of_where_graphs_are_recorded(net: nn.Sequential) -> None:
    with pytest.raises(AssertionError) as raised, harness.limits(nodes=1):
        evaluate(net, [torch.ones(4, 8)])

    assert "recorded in" not in str(raised.value)


def test_the_most_that_graphs_hold_is_counted_and_not_their_sum(net: nn.Sequential) -> None:
    x = torch.randn(4, 8)
    with harness.limits(saved="1 MiB") as usage:
        for _ in range(3):
            net(x).sum().backward()

    assert usage.saved == 256


def test_a_loop_that_keeps_its_graphs_is_seen_to_grow(net: nn.Sequential) -> None:
    x, kept = torch.randn(4, 8), []
    with harness.limits(saved="1 MiB") as usage:
        for _ in range(3):
            kept.append(net(x))  # noqa: PERF401 (a loop as it is written)

    assert usage.saved == 3 * 256


def test_values_that_are_read_back_are_counted(net: nn.Sequential) -> None:
    with pytest.raises(AssertionError, match="waits: 2 values read back"), harness.limits(waits=1):
        net(torch.randn(4, 8)).sum().item() + net(torch.randn(4, 8)).sum().item()


def test_a_decorated_function_is_limited_in_each_call(net: nn.Sequential) -> None:
    @harness.limits(nodes=0)
    def evaluate(x: torch.Tensor, *, recording: bool) -> torch.Tensor:
        with torch.set_grad_enabled(recording):
            return torch.as_tensor(net(x))

    assert evaluate(torch.randn(4, 8), recording=False).shape == (4, 3)
    with pytest.raises(AssertionError, match="autograd nodes recorded"):
        evaluate(torch.randn(4, 8), recording=True)


def test_an_exception_of_the_block_is_what_is_raised() -> None:
    with pytest.raises(ZeroDivisionError), harness.limits(nodes=0):
        _ = torch.ones(3, requires_grad=True).sum() / (1 // 0)
    with harness.limits(nodes=0):  # the next block is measured
        torch.ones(3)


def test_limits_inside_limits_are_refused_in_words() -> None:
    with harness.limits(nodes=0), pytest.raises(HarnessError, match="limits inside limits"):
        harness.limits(peak=1).__enter__()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"peak": "64 bananas"}, "not an amount of memory"),
        ({"saved": -1}, "give a size"),
        ({"nodes": "3"}, "give a count"),
        ({"peak": True}, "give a size"),
        ({}, "no limit is given"),
    ],
)
def test_a_limit_that_is_none_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(HarnessError, match=said):
        harness.limits(**given)  # type: ignore[arg-type]


def test_no_graph_is_asserted_and_the_value_returned(net: nn.Sequential) -> None:
    x = torch.randn(4, 8)

    assert harness.assert_no_graph(torch.no_grad()(lambda: net(x))).shape == (4, 3)
    with pytest.raises(AssertionError, match=r"put torch\.no_grad\(\) around the call"):
        harness.assert_no_graph(lambda: net(x).argmax())


def step(net: nn.Sequential) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(torch.randn(4, 8)).sum().backward()
    optimizer.step()


def test_what_stays_frozen_passes(net: nn.Sequential) -> None:
    net[0].requires_grad_(requires_grad=False)
    with harness.assert_frozen(net):
        step(net)


def test_what_is_thawed_is_named(net: nn.Sequential) -> None:
    net[0].requires_grad_(requires_grad=False)

    def thawing_step() -> None:
        net[0].bias.requires_grad_(requires_grad=True)
        step(net)

    with (
        pytest.raises(AssertionError, match=r"0\.bias requires a gradient, got a gradient, changed"),
        harness.assert_frozen(net),
    ):
        thawing_step()


def test_buffers_beside_frozen_parameters_may_not_move() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    net[1].requires_grad_(requires_grad=False)
    with (
        pytest.raises(AssertionError, match=r"buffer 1\.running_mean moved"),
        harness.assert_frozen(net, "1.*"),
    ):
        step(net)


@pytest.mark.parametrize("names", [None, "backbone.*"])
def test_frozen_is_refused_where_nothing_is(net: nn.Sequential, names: str | None) -> None:
    with pytest.raises(HarnessError, match="no parameter"), harness.assert_frozen(net, names):
        pass


MARKED = """
import pytest, torch
from torch import nn

net, x = nn.Sequential(nn.Linear(8, 16), nn.Sigmoid(), nn.Linear(16, 3)), torch.ones(4, 8)

@pytest.mark.autograd_limits(saved={limit})
def test_saved():
    net(x)

@pytest.mark.autograd_limits(saved=0)
def test_without_torch():
    pass

@pytest.mark.autograd_limits(saved=0)
@pytest.mark.skip
def test_skipped():
    pass
"""
QUICK = [f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "anyio", "benchmark", "xdist")]


@pytest.mark.parametrize(("limit", "failed"), [(256, 0), (255, 1)])
def test_a_marked_test_is_limited_to_the_byte(pytester: pytest.Pytester, limit: int, failed: int) -> None:
    pytester.makepyfile(MARKED.format(limit=limit))
    done = pytester.runpytest_inprocess(*QUICK)

    done.assert_outcomes(passed=2 - failed, failed=failed, skipped=1)
    done.stdout.fnmatch_lines(["*test_without_torch: nothing of torch ran, so nothing was measured"])


def test_a_marker_that_is_no_limit_stops_the_session_in_one_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MARKED.format(limit="'much'"))
    done = pytester.runpytest_inprocess(*QUICK)

    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: *test_saved: 'much' is not an amount of memory*"])
