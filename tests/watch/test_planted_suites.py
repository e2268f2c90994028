"""Twenty-four small projects with a fault and their twins without: all found, none invented."""

import json

import pytest
import torch.distributed
from watch.planted_suites import KINDS, project

import harness.record.store
import harness.watch.watcher  # noqa: F401 (pytester unloads what is new after each suite)

pytest_plugins = ["pytester"]

# Plugins that take seconds to load, and that each suite would load anew.
QUICK = [f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "anyio", "benchmark", "xdist")]


@pytest.fixture(autouse=True, scope="module")
def loaded() -> None:
    """Load what suites load: pytester unloads what is new after each, and torch cannot be loaded twice."""
    torch.compile(torch.nn.Linear(1, 1), backend="eager")(torch.ones(1, 1))


def found_in(pytester: pytest.Pytester, name: str, *, faulty: bool) -> list[dict[str, object]]:
    nets = f"nets_{list(KINDS).index(name)}_{'faulty' if faulty else 'right'}"
    module, test = project(name, faulty=faulty, nets=nets)
    pytester.makepyfile(**{nets: module, "test_nets": test})
    pytester.syspathinsert()
    done = pytester.inline_run("--harness-watch", "--harness-watch-json=found.json", *QUICK)
    done.assertoutcome(passed=1)
    written = json.loads((pytester.path / "found.json").read_text())
    assert written["stopped"] == []
    return list(written["findings"])


@pytest.mark.parametrize("name", KINDS)
def test_a_planted_fault_is_found(pytester: pytest.Pytester, name: str) -> None:
    found = found_in(pytester, name, faulty=True)

    assert {each["kind"] for each in found} == {KINDS[name]}
    assert {str(each["file"]).partition("_")[0] for each in found} == {"nets"}


@pytest.mark.parametrize("name", KINDS)
def test_nothing_is_found_in_its_twin(pytester: pytest.Pytester, name: str) -> None:
    assert found_in(pytester, name, faulty=False) == []


def test_there_are_twenty_four() -> None:
    assert len(KINDS) == 24
