"""What a reader of exact numbers should know, in words: leaks, changes, variation, open books."""

from collections import Counter
from collections.abc import Iterable, Sequence

from harness.measure.forward import ForwardPass
from harness.measure.held import Held
from harness.measure.observe import Observation
from harness.workload.state import is_bookkeeping, reached_by, readable

_MOST_NAMES = 3  # in one sentence; the rest is counted

_KINDS = {
    "model": "kept by the model, or by what it fills outside, such as a cache",
    "graph": "held by the graph, where no hook is told of it",
    "cycle": "in a reference cycle, which only the garbage collector frees",
}


def notes_of(seen: Observation, varying: Sequence[str] = ()) -> tuple[str, ...]:
    """Return what a reader of a step's exact numbers should know, a sentence each."""
    return tuple(
        sentence
        for sentence in (
            _training(seen.forward_pass),
            _laziness(seen.forward_pass),
            _unseen(seen.forward_pass),
            _growth(seen),
            _cycle(seen.forward_pass),
            _built(seen.forward_pass),
            _changes(seen),
            _variation(seen, varying),
            _unseen_parameters(seen),
            _without_gradient(seen),
            _open_books(seen),
        )
        if sentence
    )


def _training(passed: ForwardPass) -> str:
    if not passed.trains:
        return ""
    return (
        "a call runs a backward pass itself: its graph is gone when it returns, and without a graph it does"
        " not run; hand over the model with its inputs, and the step is made here"
    )


def _laziness(passed: ForwardPass) -> str:
    if not passed.lazy:
        return ""
    return (
        f"the forward pass returns an iterator ({passed.lazy}), which has run nothing when it is returned:"
        " what it would do is in none of these numbers; return a list of what it yields"
    )


def _unseen(passed: ForwardPass) -> str:
    if not passed.unseen:
        return ""
    return (
        f"{passed.unseen:,} B of what the pass returns or saves were not allocated by it in its own thread:"
        " they were there before, or are of another thread or library, whose memory is not counted here"
    )


def _growth(seen: Observation) -> str:
    if not seen.growth:
        return ""
    staying = [block for block in seen.forward_pass.held if block.stays]
    where = f", {_place(staying[0], seen)}" if staying else ""
    what = "the graph that is kept" if any(block.holder == "saved" for block in staying) else "what is held"
    return (
        f"every call leaves {seen.growth:,} B behind when its result is dropped{where}: {what} grows from"
        " call to call"
    )


def _cycle(passed: ForwardPass) -> str:
    size = sum(block.bytes for block in passed.held if block.in_cycle)
    if not size:
        return ""
    return (
        f"{size:,} B stay when the result of a call is dropped, until the garbage collector runs: they are in"
        " a reference cycle, such as an output that is kept on its own node's ctx"
    )


def _built(passed: ForwardPass) -> str:
    if not passed.built:
        return ""
    return (
        f"the first call builds {_listed(passed.built)}, and every pass here is a first call: what it builds"
        " is in what is allocated and held; call the model once before it is measured"
    )


def _changes(seen: Observation) -> str:
    passed = seen.forward_pass
    changed = [path for path in passed.changes if not is_bookkeeping(path) and path not in passed.built]
    if not changed:
        return ""
    return f"a call changes {_listed(changed)}; it is put back before each pass"


def _variation(seen: Observation, varying: Sequence[str]) -> str:
    if not varying:
        return ""
    passed = seen.forward_pass
    other = next(
        (
            each.forward_pass.allocated
            for each in (seen.again(seed) for seed in (1, 2))
            if each.forward_pass.allocated != passed.allocated
        ),
        passed.warm_allocated,
    )
    places = [
        path or "the model itself"
        for path in {**passed.allocated, **other}
        if passed.allocated.get(path) != other.get(path)
    ]
    named = f" in {_listed(places)}" if places else ""
    return (
        f"{_listed(list(varying))}: varies from call to call{named}, so it is given as a range and not gated"
    )


def _unseen_parameters(seen: Observation) -> str:
    known = {id(parameter) for parameter in seen.step.model.module.parameters()}
    unseen = {id(leaf) for leaf in seen.graph.leaves if id(leaf) not in known}
    if not unseen:
        return ""
    names = [readable(path) for path, value in reached_by(seen.step.model) if id(value) in unseen]
    names = [name for name in names if not name.startswith("the inputs")]
    if not names:
        return ""
    return (
        f"{_listed(names)}: trained by this pass, and not among the module's parameters(); an optimizer and"
        " .to() do not see what is kept in plain lists and attributes"
    )


def _without_gradient(seen: Observation) -> str:
    names = seen.without_gradient
    if not names or seen.step.optimizer is None:  # what asks for derivatives alone leaves no gradients
        return ""
    total = len(names) + len(seen.with_gradient)
    return f"{len(names)} of {total} trainable parameters got no gradient: {_listed(names)}"


def _open_books(seen: Observation) -> str:
    """Say which blocks are behind books that do not balance."""
    quiet = seen.no_grad_pass
    if seen.books is None or quiet is None or not seen.books.unaccounted:
        return ""
    parts: Counter[str] = Counter()
    for sign, passed, mode in ((1, seen.forward_pass, ""), (-1, quiet, " under no_grad")):
        for block in passed.held:
            if block.holder == "output":
                parts[f"in the output{mode}"] += sign * block.bytes
            elif not block.is_accounted or mode:
                parts[f"{_place(block, seen)}{mode}, {_KINDS.get(block.holder, 'saved')}"] += (
                    sign * block.bytes
                )
        earlier = passed.trace.retained_bytes() - sum(block.bytes for block in passed.held)
        if seen.device is None:
            parts[f"there before the call, and freed by it{mode}"] += sign * earlier
    merged = _cancelled(parts)
    named = [f"{size:+,} B {what}" for what, size in merged.most_common()[:_MOST_NAMES] if size > 0]
    named += [
        f"{size:+,} B {what}" for what, size in merged.most_common()[: -_MOST_NAMES - 1 : -1] if size < 0
    ]
    return f"the books leave {seen.books.unaccounted:+,} B: {'; '.join(named)}"


def _cancelled(parts: Counter[str]) -> Counter[str]:
    """Return the parts less those that are the same with a graph and under `no_grad`."""
    quiet = " under no_grad"
    for name in [name for name in parts if quiet in name]:
        twin = name.replace(quiet, "")
        if twin in parts:
            common = min(parts[twin], -parts[name])
            parts[twin] -= common
            parts[name] += common
    return Counter({name: size for name, size in parts.items() if size})


def _place(block: Held, seen: Observation) -> str:
    """Return where a block comes from: "in body.1 (Tanh), aten::tanh"."""
    modules = dict(seen.step.model.module.named_modules(remove_duplicate=False))
    kind = type(modules[block.module]).__name__ if block.module in modules else ""
    module = f"in {block.module} ({kind})" if block.module else f"in the model itself ({kind})"
    return f"{module}, {block.operator}" if block.operator else module


def _listed(names: Iterable[str]) -> str:
    """Return names in a row, the first few of them.

    >>> _listed(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    names = list(names)
    shown = ", ".join(names[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"
