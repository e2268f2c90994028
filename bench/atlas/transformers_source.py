"""Model types of transformers: their configurations as trees, and the classes that can be built of them."""

import dataclasses
import importlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from torch import nn

from bench.atlas.candidates import Candidate
from bench.atlas.inputs import variants
from bench.atlas.shrink import SCALES, Scale, shrunk

_MOST_CLASSES = 3  # that are tried
_WITH_FEWER = 6  # scales that are tried with inputs of a few kinds

# A class without a task first; then those whose forward pass most types have.
_PREFERRED = (
    "MODEL",
    "FOR_CAUSAL_LM",
    "FOR_SEQ_TO_SEQ_CAUSAL_LM",
    "FOR_MASKED_LM",
    "FOR_PRETRAINING",
    "FOR_IMAGE_TEXT_TO_TEXT",
    "FOR_MULTIMODAL_LM",
    "FOR_CTC",
    "FOR_IMAGE_CLASSIFICATION",
)
_ABOUT = ("transformers_version", "architectures", "id2label", "label2id")  # of the file, and of labels
_NOT_CHANGED = object()


def model_types() -> tuple[str, ...]:
    """Return the names of all model types."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    return tuple(CONFIG_MAPPING.keys())


def default_config(name: str) -> Any:
    """Return the configuration of a model type at its defaults."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    return CONFIG_MAPPING[name]()


def classes_of(name: str, config: Any) -> tuple[str, ...]:
    """Return the names of the classes that are built of a type's configuration, the base class first."""
    from transformers.models.auto import modeling_auto

    tables = {
        table.removesuffix("_MAPPING_NAMES").removeprefix("MODEL_") or "MODEL": getattr(modeling_auto, table)
        for table in dir(modeling_auto)
        if table.startswith("MODEL_") and table.endswith("_MAPPING_NAMES")
    }
    tables["MODEL"] = tables.pop("MAPPING_NAMES", None) or modeling_auto.MODEL_MAPPING_NAMES
    order = [*(key for key in _PREFERRED if key in tables), *sorted(set(tables) - set(_PREFERRED))]
    listed: list[str] = []
    for key in order:
        given = tables[key].get(name, ())
        listed += [given] if isinstance(given, str) else given
    own = [key for key in _own_classes(config) if key.rpartition(":")[2] not in listed]
    return tuple(dict.fromkeys([*listed, *own]))


def _own_classes(config: Any) -> Iterator[str]:
    """Yield the names of the classes beside a configuration that are built of it."""
    import transformers

    file = type(config).__module__.replace(".configuration_", ".modeling_")
    try:
        module = importlib.import_module(file)
    except ImportError:
        return  # no such file, or a package that it needs is missing, which building says
    for key, found in vars(module).items():
        if (
            isinstance(found, type)
            and issubclass(found, transformers.PreTrainedModel)
            and found.__module__ == file
            and found.config_class is type(config)
            and "forward" in vars(found)
        ):
            yield f"{file}:{key}"


def class_named(name: str) -> Any:
    """Return a class by what `classes_of` calls it."""
    import transformers

    file, _, key = name.rpartition(":")
    return getattr(importlib.import_module(file) if file else transformers, key)


def _runs(name: str) -> bool:
    """Return whether a class has a forward pass of its own; one that lacks a package says so when built."""
    try:
        return class_named(name).forward is not nn.Module.forward
    except (ImportError, AttributeError):
        return True


def tree_of(config: Any) -> dict[str, Any]:
    """Return the fields of a configuration, with those of its parts below them."""
    import transformers

    tree: dict[str, Any] = {"model_type": type(config).model_type}
    for field in dataclasses.fields(config):
        value = vars(config).get(field.name)
        if isinstance(value, transformers.PreTrainedConfig):
            tree[field.name] = tree_of(value)
        elif field.name not in _ABOUT:
            tree[field.name.removeprefix("_")] = value
    return tree


def small_config(config: Any, scale: Scale) -> Any:
    """Return a smaller configuration of the same class."""
    return _rebuilt(config, shrunk(tree_of(config), scale))


def _rebuilt(config: Any, tree: Mapping[str, Any]) -> Any:
    """Make a configuration anew, of what differs from its class's defaults: the rest it derives itself."""
    import transformers

    try:
        usual = tree_of(type(config)())
    except Exception:  # noqa: BLE001 (a part may have no defaults of its own; then all is given)
        usual = {}
    given: dict[str, Any] = {}
    before = tree_of(config)
    for name, value in tree.items():
        part = vars(config).get(name)
        if isinstance(part, transformers.PreTrainedConfig):
            given[name] = _rebuilt(part, value)
        elif name != "model_type" and (value != before[name] or value != usual.get(name, _NOT_CHANGED)):
            given[name] = value
    if "out_features" in given and "out_indices" in given:
        del given["out_features"]  # which follow from the numbers
    return type(config)(**given)


def candidates(name: str) -> Iterator[Candidate]:
    """Yield the classes of a model type at every scale, the smallest of each class first.

    Raises:
        Exception: whatever the type's configuration raises at its defaults.
    """
    config = default_config(name)
    classes = classes_of(name, config)
    for built in ([built for built in classes if _runs(built)] or classes)[:_MOST_CLASSES]:
        key = built.rpartition(":")[2]
        for fewer, scales in ((False, SCALES), (True, SCALES[:_WITH_FEWER])):
            inputs = partial(variants, fewer=fewer)
            for scale in scales:
                build = partial(_build, built, config, scale)
                yield Candidate(key, str(scale), build, inputs)


def _build(built: str, config: Any, scale: Scale) -> nn.Module:
    # `_from_config` is what AutoModel calls: it chooses the attention that the class supports.
    module: nn.Module = class_named(built)._from_config(small_config(config, scale))  # noqa: SLF001
    return module
