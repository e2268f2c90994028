"""The blocks of a model in the order they run, and which parameters run before a place among them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from harness.workload.generators import random_state_kept
from harness.workload.hooks import hookable
from harness.workload.model import Model, WorkloadError
from harness.workload.state import ModelState

_FEW = 6  # where the outermost row has fewer blocks, such as four stages, the row inside it is looked for


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks of one model, by path, and the parameters that are frozen before each place.

    Attributes:
        paths: in the order they run.
        before: `before[k]` are the names of the parameters that are used before block k runs; with all
            blocks frozen, `before[len(paths)]`, those used up to the last block's end.
    """

    paths: tuple[str, ...]
    before: tuple[frozenset[str], ...]


def find_blocks(model: Model) -> Blocks:
    """Find the blocks of a model; runs its forward pass once.

    A parameter that is used in two places, such as an embedding tied to a head, counts where it is used
    first: were it left to train there, the graph would start there too.

    Raises:
        WorkloadError: the model names a block that it does not have, or has fewer than two.
    """
    module = model.module
    paths = model.blocks or _longest_row(module) or _children(module)
    names = dict(module.named_modules(remove_duplicate=False))
    missing = [path for path in paths if path not in names]
    if missing:
        raise WorkloadError(f"the model has no submodule {missing[0]!r} to be a block")
    starts, ends = _run_order(model)
    ran = sorted((path for path in paths if names[path] in starts), key=lambda path: starts[names[path]])
    if len(ran) < 2:  # noqa: PLR2004 (one block is no row)
        raise WorkloadError(
            "the model has no row of blocks to freeze one after the other; name them in Model.blocks"
        )
    first_use = _first_uses(module, starts)
    limits = [starts[names[path]] for path in ran]
    before = [frozenset(name for name, use in first_use.items() if use < limit) for limit in limits]
    last = max(ends[names[path]] for path in ran)
    all_of_them = frozenset(name for name, use in first_use.items() if use <= last)
    return Blocks(tuple(ran), (frozenset(), *before[1:], all_of_them))


def _longest_row(module: nn.Module) -> tuple[str, ...]:
    """Return the paths of the submodules of one class that hold most of the parameters."""
    rows = _rows(module)
    if not rows:
        return ()
    outer = rows[0]
    if len(outer) < _FEW:
        inner = [row for row in rows[1:] if _inside(row, outer) and len(row) > len(outer)]
        if inner:
            return inner[0]
    return outer


def _rows(module: nn.Module) -> list[tuple[str, ...]]:
    """Return the rows of alike blocks that hold most parameters at their level, the outermost first."""
    families: dict[tuple[int, type], list[str]] = {}
    for path, container in module.named_modules():
        if not isinstance(container, (nn.ModuleList, nn.ModuleDict, nn.Sequential)):
            continue
        children = list(container.named_children())
        if len({type(child) for _, child in children}) == 1 and any(True for _ in container.parameters()):
            key = (path.count("."), type(children[0][1]))
            families.setdefault(key, []).extend(f"{path}.{name}".lstrip(".") for name, _ in children)
    sizes = {
        key: sum(p.numel() for path in paths for p in module.get_submodule(path).parameters())
        for key, paths in families.items()
        if len(paths) > 1
    }
    if not sizes:
        return []
    most = max(sizes.values())
    return [tuple(families[key]) for key in sorted(sizes, key=lambda key: key[0]) if 2 * sizes[key] >= most]


def _inside(row: Sequence[str], outer: Sequence[str]) -> bool:
    return all(any(path.startswith(f"{parent}.") for parent in outer) for path in row)


def _children(module: nn.Module) -> tuple[str, ...]:
    """Return the children that own parameters, going in where there is a single child, or a few sequences."""
    root = module
    path = ""
    while True:
        inside = [
            f"{path}.{name}".lstrip(".")
            for name, child in module.named_children()
            if any(True for _ in child.parameters())
        ]
        if len(inside) != 1:
            return _unfolded(root, inside)
        module = module.get_submodule(inside[0].removeprefix(path).lstrip("."))
        path = inside[0]


def _unfolded(module: nn.Module, paths: Sequence[str]) -> tuple[str, ...]:
    """Return paths with sequences of stages replaced by their stages, while there are few.

    A body that is one sequence of stages, with pooling between them, would be a single block otherwise. A
    stage itself, whose children have none, stays whole.
    """
    while len(paths) < _FEW:
        unfolded = [one for path in paths for one in _stages(module.get_submodule(path), path)]
        if len(unfolded) == len(paths):
            break
        paths = unfolded
    return tuple(paths)


def _stages(module: nn.Module, path: str) -> list[str]:
    """Return the stages of a sequence of stages; of anything else its own path."""
    owners = [
        (name, child) for name, child in module.named_children() if any(True for _ in child.parameters())
    ]
    chained = isinstance(module, nn.Sequential) and any(True for _, child in owners for _ in child.children())
    return [f"{path}.{name}" for name, _ in owners] if chained else [path]


def _run_order(model: Model) -> tuple[dict[nn.Module, int], dict[nn.Module, int]]:
    """Return when each submodule starts for the first time, and ends for the first time, as counts."""
    starts: dict[nn.Module, int] = {}
    ends: dict[nn.Module, int] = {}
    count = 0

    def enter(module: nn.Module, _inputs: object) -> None:
        nonlocal count
        starts.setdefault(module, count)
        count += 1

    def leave(module: nn.Module, _inputs: object, _output: object) -> None:
        nonlocal count
        ends.setdefault(module, count)
        count += 1

    state = ModelState.of(model)  # before the hooks, which it would take for the model's own
    handles = []
    for _, child in hookable(model.module):
        handles += [child.register_forward_pre_hook(enter), child.register_forward_hook(leave)]
    try:
        with random_state_kept(), torch.enable_grad():  # a model may differentiate inside
            model()
    finally:
        for handle in handles:
            handle.remove()
        state.restore()
    return starts, ends


def _first_uses(module: nn.Module, starts: dict[nn.Module, int]) -> dict[str, int]:
    """Return when each parameter is first used: when its owner starts, or the nearest module around it."""
    uses: dict[int, int] = {}
    names: dict[int, str] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        path = name.rpartition(".")[0]
        while path and module.get_submodule(path) not in starts:
            path = path.rpartition(".")[0]
        use = starts.get(module.get_submodule(path), 0)
        names.setdefault(id(parameter), name)
        uses[id(parameter)] = min(use, uses.get(id(parameter), use))
    return {names[key]: use for key, use in uses.items()}
