"""Which module calls which operator in a step: those it calls itself, not what these call in turn."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from torch import nn

from harness.measure.observe import Observation
from harness.measure.trace import Span
from harness.record.measured import Calls
from harness.record.names import short_name
from harness.workload.call import Called

_AFTER = "forward"  # the part whose modules are known from the forward pass by itself


def calls_of(seen: Observation) -> tuple[Calls, ...]:
    """Return who calls which operators: modules in the forward pass, and the parts of the step after it."""
    passed = seen.forward_pass.trace
    by_module: dict[str, Counter[str]] = defaultdict(Counter)
    for path, span in placed(_outermost(passed.operators), passed.modules):
        by_module[path][short_name(span.name)] += 1
    classes = _classes(seen.step.model.module)
    alike: dict[tuple[str, tuple[tuple[str, int], ...]], list[str]] = defaultdict(list)
    for path, counted in by_module.items():
        alike[classes.get(path, ""), tuple(sorted(counted.items()))].append(path)
    modules = (
        Calls(modules=tuple(paths), kind=kind, operators=dict(counted))
        for (kind, counted), paths in alike.items()
    )
    return (*modules, *_of_parts(seen))


def _of_parts(seen: Observation) -> Iterator[Calls]:
    if seen.is_forward_alone:
        return
    for part in seen.step.parts:
        trace = seen.part(part.name)
        if part.name == _AFTER or trace is None:
            continue
        counted = Counter(short_name(span.name) for span in _outermost(trace.operators))
        if counted:
            yield Calls(modules=(part.name,), kind="", operators=dict(sorted(counted.items())))


def _classes(module: nn.Module) -> dict[str, str]:
    """Return the class of each module by path; of a callable that is measured as a module, its own name."""
    classes = {path: type(child).__name__ for path, child in module.named_modules(remove_duplicate=False)}
    if isinstance(module, Called):
        classes[""] = getattr(module.call, "__qualname__", type(module.call).__name__)
    return classes


def _outermost(operators: Sequence[Span]) -> Iterator[Span]:
    """Yield the operators that lie in no other; they are sorted by start."""
    end = float("-inf")
    for span in operators:
        if span.start >= end:
            end = span.end
            yield span


def placed(operators: Iterator[Span] | Sequence[Span], modules: Sequence[Span]) -> Iterator[tuple[str, Span]]:
    """Yield every operator with the path of the innermost module that was running when it began.

    Both are sorted by start, and modules lie in one another, so that one pass with a stack does.
    """
    waiting = iter(modules)
    following = next(waiting, None)
    running: list[Span] = []
    for operator in operators:
        while following is not None and following.start <= operator.start:
            running.append(following)
            following = next(waiting, None)
        while running and running[-1].end < operator.start:
            running.pop()
        yield (running[-1].name if running else "", operator)
