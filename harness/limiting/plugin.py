"""The marker `autograd_limits`: what a test may take; torch is imported for marked tests alone."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.limiting.usage import BlockUsage

_MARKER = "autograd_limits"

MarkerCheck = Callable[[pytest.Item, "BlockUsage"], list[str]]
# What marked tests are measured for, by marker: sentences of what is wrong with what was measured.
CHECKS = pytest.StashKey[dict[str, MarkerCheck]]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and what runs marked tests."""
    config.addinivalue_line(
        "markers", f'{_MARKER}(peak="64 MiB", saved=0, nodes=0, waits=0): fail a test that takes more'
    )
    config.stash.setdefault(CHECKS, {})[_MARKER] = _exceeded
    config.pluginmanager.register(MeasuredTests(), "harness-measured-tests")


def _exceeded(item: pytest.Item, usage: "BlockUsage") -> list[str]:
    from harness.limiting.amounts import parse_limits
    from harness.limiting.usage import excesses

    marker = item.get_closest_marker(_MARKER)
    allowed = parse_limits(**marker.kwargs if marker else {})
    item.user_properties += [(f"{_MARKER}_{name}", getattr(usage, name)) for name, _ in allowed.items()]
    return excesses(usage, allowed)


class MeasuredTests:
    """Runs marked tests once, measured, and holds them against all that they are marked with."""

    def __init__(self) -> None:
        self._without_torch: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Refuse a limit that cannot be used before anything runs."""
        for item in items:
            marker = item.get_closest_marker(_MARKER)
            if marker is None:
                continue
            from harness.limiting.amounts import parse_limits

            if marker.args:
                raise pytest.UsageError(f'{item.nodeid}: limits have names; write peak="64 MiB"')
            try:
                parse_limits(**marker.kwargs)
            except HarnessError as error:
                raise pytest.UsageError(f"{item.nodeid}: {error}") from None

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Iterator[None]:
        """Measure the test's function, without its fixtures."""
        checks = [
            check
            for marker, check in pyfuncitem.config.stash[CHECKS].items()
            if pyfuncitem.get_closest_marker(marker) is not None
        ]
        if not checks:
            return (yield)
        from harness.limiting.block import measured
        from harness.limiting.usage import BlockUsage

        usage = BlockUsage()
        with measured(usage):
            returned = yield
        if not usage.operators:
            self._without_torch.append(pyfuncitem.nodeid)
            return returned
        said = [sentence for check in checks for sentence in check(pyfuncitem, usage)]
        if said:
            pytest.fail("\n".join(said), pytrace=False)  # where in here it was said is of no use
        return returned

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say once which marked tests ran nothing of torch."""
        if self._without_torch:
            first, *others = self._without_torch
            more = f" and {len(others)} more" if others else ""
            terminalreporter.line(f"{first}{more}: nothing of torch ran, so nothing was measured")
