"""Well-known rules for which parameters are decayed, as policies that make parameter groups."""

import re
from collections.abc import Callable, Mapping

from torch import nn

from harness.workload.model import WorkloadError
from harness.workload.step import DecayGroup

Named = Mapping[str, nn.Parameter]


def _one_group(_module: nn.Module, named: Named) -> dict[str, bool]:
    return dict.fromkeys(named, True)


def _weights_and_biases(_module: nn.Module, named: Named) -> dict[str, bool]:
    """Decay what is called a weight, as the book's example does with `net[0].weight`."""
    return {name: name.rpartition(".")[2].startswith("weight") for name in named}


def _nanogpt(_module: nn.Module, named: Named) -> dict[str, bool]:
    """Decay parameters of two dimensions or more (nanoGPT, model.py, configure_optimizers)."""
    return {name: parameter.dim() >= 2 for name, parameter in named.items()}  # noqa: PLR2004 (the rule's number)


def _timm(module: nn.Module, named: Named) -> dict[str, bool]:
    """Decay what has two dimensions or more, is not a bias, and is not in the model's `no_weight_decay()`.

    Source: timm.optim.param_groups_weight_decay.
    """
    listed = getattr(module, "no_weight_decay", None)
    exempt = set(listed()) if callable(listed) else set()
    return {
        name: not (parameter.ndim <= 1 or name.endswith(".bias") or name in exempt)
        for name, parameter in named.items()
    }


_HUGGING_FACE_NAMES = re.compile(r"bias|layernorm|rmsnorm|(?:^|\.)norm(?:$|\.)|_norm(?:$|\.)", re.IGNORECASE)


def _hugging_face(module: nn.Module, named: Named) -> dict[str, bool]:
    """Decay all but layer norms and names with a bias or norm pattern.

    Source: transformers.Trainer.get_decay_parameter_names.
    """
    in_layer_norm = {
        id(parameter)
        for child in module.modules()
        if isinstance(child, nn.LayerNorm)
        for parameter in child.parameters()
    }
    return {
        name: id(parameter) not in in_layer_norm and not _HUGGING_FACE_NAMES.search(name)
        for name, parameter in named.items()
    }


_RULES: dict[str, Callable[[nn.Module, Named], dict[str, bool]]] = {
    "one group": _one_group,
    "weights and biases": _weights_and_biases,
    "nanogpt": _nanogpt,
    "timm": _timm,
    "hugging face": _hugging_face,
}
ONE_EACH = "one group a parameter"
POLICIES = (*_RULES, ONE_EACH)


def decay_groups(module: nn.Module, policy: str, weight_decay: float) -> tuple[DecayGroup, ...]:
    """Divide a module's trainable parameters by a policy.

    Raises:
        WorkloadError: no such policy.
    """
    named = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    if policy == ONE_EACH:
        return tuple(DecayGroup(name, weight_decay, (parameter,)) for name, parameter in named.items())
    if policy not in _RULES:
        raise WorkloadError(f"no decay policy {policy!r}; there are {', '.join(POLICIES)}")
    decayed = _RULES[policy](module, named)
    groups = (
        DecayGroup("decayed", weight_decay, tuple(named[name] for name in named if decayed[name])),
        DecayGroup("not decayed", 0.0, tuple(named[name] for name in named if not decayed[name])),
    )
    return tuple(group for group in groups if group.parameters)


def check_groups(module: nn.Module, groups: tuple[DecayGroup, ...]) -> None:
    """Check that every trainable parameter is in exactly one group.

    Raises:
        WorkloadError: a parameter is in none, or in more than one; it is named.
    """
    names = {id(parameter): name for name, parameter in module.named_parameters() if parameter.requires_grad}
    counts = dict.fromkeys(names, 0)
    for group in groups:
        for parameter in group.parameters:
            if id(parameter) not in counts:
                raise WorkloadError(f"group {group.name!r} holds a parameter that the model does not train")
            counts[id(parameter)] += 1
    for key, count in counts.items():
        if count != 1:
            where = "no group" if count == 0 else f"{count} groups"
            raise WorkloadError(f"parameter {names[key]!r} is in {where}; it has to be in exactly one")
