"""Claims about how far freezing reaches: how long it lasts, and what of the graph it leaves out."""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import SGD

from harness.claims.claim import Evidence, Lab, claim
from harness.claims.record import Check, Number
from harness.claims.regression import MakeOptimizer
from harness.claims.timing import case_of
from harness.measure.graph import walk
from harness.workload.model import Model
from harness.workload.questions import freezing
from harness.workload.sources import build


def _freeze(parameters: list[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.requires_grad = False


def _freeze_second_layer(model: Model) -> None:
    _freeze(_second_layer(model))


def _second_layer(model: Model) -> list[nn.Parameter]:
    return list(model.module.parameters())[2:4]


@dataclass(frozen=True, slots=True)
class World:
    """What these claims run; by default the real torch."""

    freeze: Callable[[list[nn.Parameter]], None] = _freeze
    freeze_layer: Callable[[Model], None] = _freeze_second_layer
    sgd: MakeOptimizer = SGD


def _perceptron(lab: Lab) -> Model:
    return build(case_of(freezing.QUESTION, "mlp-relu", "train"), lab.seed)


def _moved(model: Model, trained: list[nn.Parameter], watched: nn.Parameter, world: World) -> bool:
    """Take three steps of SGD; return whether one parameter moved."""
    before = watched.detach().clone()
    optimizer = world.sgd(trained, lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model.loss_of_forward().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return not torch.equal(before, watched)


@claim(
    "F5",
    "`requires_grad = False` disables gradients permanently.",
    "The first layer of a perceptron is frozen; then it trains for three steps, is copied with "
    "`copy.deepcopy`, is saved and loaded into a new model with `state_dict`, and is set back to True: does "
    "its weight get a gradient, does it move.",
)
def freezing_is_permanent(lab: Lab, world: World = World()) -> Evidence:
    """Freeze, then look at what brings gradients back."""
    model = _perceptron(lab)
    parameters = list(model.module.parameters())
    weight = parameters[0]
    world.freeze(parameters[:2])
    moved_frozen = _moved(model, parameters, weight, world)
    copied = next(copy.deepcopy(model.module).parameters()).requires_grad
    fresh = _perceptron(lab)
    fresh.module.load_state_dict(model.module.state_dict())
    loaded = next(fresh.module.parameters()).requires_grad
    weight.requires_grad = True
    beside = _moved(model, parameters[2:], weight, world)
    reached = weight.grad is not None
    moved = _moved(model, parameters, weight, world)
    checks = (
        Check(
            where="nobody sets it back",
            says=f"three steps of SGD: the frozen weight {_moves(moved_frozen)}",
            holds=not moved_frozen,
        ),
        Check(
            where="the module is copied with copy.deepcopy",
            says=f"the copy's weight: requires_grad is {copied}",
            holds=not copied,
        ),
        Check(
            where="a new model is loaded from its state_dict",
            says=f"the new model's weight: requires_grad is {loaded}; a state_dict holds values, no flags",
            holds=not loaded,
        ),
        Check(
            where="somebody sets it back to True",
            says=f"three steps of SGD later: .grad is {'there' if reached else 'None'}, "
            f"the weight {_moves(moved)}",
            holds=not (reached or moved),
        ),
    )
    return Evidence(
        checks,
        (
            Number(
                name="set back, but not in the optimizer's groups",
                text=f".grad is {'there' if reached else 'None'}, the weight {_moves(beside)}",
            ),
        ),
    )


def _moves(moved: bool) -> str:  # noqa: FBT001 (an answer, no switch)
    return "moves" if moved else "stays, bit for bit"


@claim(
    "F6",
    "The part of the graph that belongs to a frozen parameter is ignored by the optimizer.",
    "The second layer of a perceptron is frozen: the nodes and leaves of the graph before there is an "
    "optimizer, the gradient that the first layer gets through it against that of a twin with everything "
    "trainable, and a step of SGD while the frozen weight still has an old `.grad`.",
)
def optimizer_ignores_the_graph(lab: Lab, world: World = World()) -> Evidence:
    """Look at who leaves a frozen parameter out, and what of its layer stays."""
    free, frozen = _perceptron(lab), _perceptron(lab)
    world.freeze_layer(frozen)
    graphs = [walk(model.loss_of_forward()) for model in (free, frozen)]
    firsts = []
    for model in (free, frozen):
        model.loss_of_forward().backward()  # type: ignore[no-untyped-call]
        firsts.append(next(model.module.parameters()).grad)
    one, other = firsts
    through = one is not None and other is not None and torch.equal(one, other)
    stale = _perceptron(lab)
    stale.loss_of_forward().backward()  # type: ignore[no-untyped-call]
    world.freeze_layer(stale)
    weight = _second_layer(stale)[0]
    before = weight.detach().clone()
    world.sgd(list(stale.module.parameters()), lr=0.1).step()
    moved = not torch.equal(before, weight)
    nodes, leaves = [graph.nodes for graph in graphs], [len(graph.leaves) for graph in graphs]
    gone, fewer = nodes[0] - nodes[1], leaves[0] - leaves[1]
    return Evidence(
        (
            Check(
                where="it is the optimizer that leaves it out",
                says=f"before there is an optimizer the graph leads to {leaves[1]} parameters in place of "
                f"{leaves[0]}; one step of SGD with an old .grad: the frozen weight {_moves(moved)}",
                holds=not moved,
            ),
            Check(
                where="its layer's part of the graph is left out",
                says=f"{gone} of {nodes[0]} nodes are gone, those where {fewer} gradients are "
                f"added up among them; the first layer's gradient comes through the frozen layer: "
                f"{'equal bit for bit to the twin' if through else 'it does not'}",
                holds=not through,
            ),
        ),
        (
            Number(name="nodes, everything trainable", value=nodes[0], unit="1"),
            Number(name="nodes, second layer frozen", value=nodes[1], unit="1"),
        ),
    )
