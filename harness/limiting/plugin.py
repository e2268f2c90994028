"""The marker `autograd_limits`: what a test may take, in exact bytes; torch is imported for marked tests alone."""

from collections.abc import Iterator

import pytest

from harness.errors import HarnessError

_MARKER = "autograd_limits"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and what runs marked tests."""
    config.addinivalue_line(
        "markers", f'{_MARKER}(peak="64 MiB", saved=0, nodes=0, waits=0): fail a test that takes more'
    )
    config.pluginmanager.register(Limited(), "harness-limited-tests")


class Limited:
    """Runs marked tests under their limits."""

    def __init__(self) -> None:
        self._without_torch: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Refuse a limit that is none before anything runs."""
        for item in items:
            marker = item.get_closest_marker(_MARKER)
            if marker is None:
                continue
            from harness.limiting.amounts import parse_limits

            try:
                if marker.args:
                    raise HarnessError('limits have names; write peak="64 MiB"')
                parse_limits(**marker.kwargs)
            except HarnessError as error:
                raise pytest.UsageError(f"{item.nodeid}: {error}") from None

    @pytest.hookimpl(hookwrapper=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Iterator[None]:
        """Measure the test's function, without its fixtures, and hold it against the limits."""
        marker = pyfuncitem.get_closest_marker(_MARKER)
        if marker is None:
            yield
            return
        from harness.limiting.amounts import parse_limits
        from harness.limiting.block import measured
        from harness.limiting.seen import Seen, excesses

        allowed = parse_limits(**marker.kwargs)
        seen = Seen()
        with measured(seen):
            outcome = yield
        if outcome.excinfo is not None:  # type: ignore[attr-defined]
            return
        if not seen.operators:
            self._without_torch.append(pyfuncitem.nodeid)
            return
        pyfuncitem.user_properties += [
            (f"{_MARKER}_{name}", getattr(seen, name)) for name, _ in allowed.items()
        ]
        said = excesses(seen, allowed)
        if said:
            # pytrace=False: where in the watch's own code it was said is of no use.
            outcome.force_exception(pytest.fail.Exception("\n".join(said), pytrace=False))  # type: ignore[attr-defined]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say once which marked tests ran nothing of torch."""
        if self._without_torch:
            first, *others = self._without_torch
            more = f" and {len(others)} more" if others else ""
            terminalreporter.line(f"{_MARKER} of {first}{more}: nothing of torch ran, so nothing was limited")
