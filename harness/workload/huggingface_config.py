"""Any architecture that transformers builds from a config: by class, by model type, or by a config file."""

import difflib
import inspect
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from harness.workload.factory import first_line
from harness.workload.model import Model, WorkloadError
from harness.workload.models import Entry
from harness.workload.tensors import bytes_of

_BATCH_SIZE = 2
_TOKENS = 128  # a sequence, where the architecture takes as many
_PIXELS = 224
_AUDIO = 16000  # samples: one second
_FRAMES = 3000  # of a spectrogram, Whisper's 30 seconds


def config_entry(name: str) -> Entry:
    """Return the entry of `hf:NAME`: a class, a model type, or a path that ends in `.json`.

    Raises:
        WorkloadError: transformers builds nothing of that name, the file is not a config, or the name
            would need a download.
    """
    if name.endswith(".json"):
        config, architecture = _from_file(name)
    else:
        config, architecture = _from_name(name)
    # The second is its name in transformers < 4.56; later ones warn where it is asked for.
    dtype = config.dtype if hasattr(config, "dtype") else getattr(config, "torch_dtype", None)
    own = str(dtype).removeprefix("torch.") if dtype is not None else "float32"
    return Entry(f"hf:{name}", partial(_build, name, config, architecture), _BATCH_SIZE, dtype=own)


def _from_name(name: str) -> tuple[Any, Any]:
    import transformers

    # Both names are imported when they are asked for, with whatever packages they need.
    with _refusing(f"hf:{name} cannot be had"):
        architecture: Any = getattr(transformers, name, None)
        is_model = isinstance(architecture, type) and issubclass(architecture, transformers.PreTrainedModel)
    if is_model:
        config_class: Any = architecture.config_class
        if config_class is None:
            raise WorkloadError(f"hf:{name} is not an architecture of its own: name one that has a config")
        return config_class(), architecture
    try:
        config = transformers.AutoConfig.for_model(name)
    except (ValueError, KeyError) as error:
        raise WorkloadError(_unknown(name)) from error
    return config, transformers.AutoModel


def _unknown(name: str) -> str:
    import transformers

    near = difflib.get_close_matches(name, [key for key in dir(transformers) if "For" in key], n=3)
    if "/" in name or name.count("-") > 1:
        return (
            f"hf:{name} would need a download, and nothing is fetched: give the path of its config.json,"
            " an architecture such as hf:BertForMaskedLM, or a model type such as hf:bert"
        )
    advice = f"; near are {', '.join(near)}" if near else ""
    known = f"transformers has no architecture or model type {name!r}{advice}"
    return f"{known}; a config file is named hf:PATH.json"


def _from_file(name: str) -> tuple[Any, Any]:
    import transformers

    try:
        fields = json.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise WorkloadError(f"{name} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # bad JSON, bytes that are not text, brackets without end
        raise WorkloadError(f"{name} is not JSON: {first_line(error)}") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("model_type"), str):
        raise WorkloadError(f"{name} is not a config of a Hugging Face model: it has no field `model_type`")
    kind = fields.pop("model_type")
    named = fields.get("architectures") or []
    if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
        raise WorkloadError(f"{name}: its `architectures` are no list of names")
    with _refusing(f"{name}: transformers makes no config of it"):
        config = transformers.AutoConfig.for_model(kind, **fields)
    return config, _architecture(name, named[0]) if named else transformers.AutoModel


def _architecture(name: str, named: str) -> Any:
    import transformers

    with _refusing(f"{name} names the architecture {named!r}, which cannot be had"):
        architecture: Any = getattr(transformers, named, None)
        is_model = isinstance(architecture, type) and issubclass(architecture, transformers.PreTrainedModel)
    if not is_model:  # transformers has much else by name, and a stranger's file is not to call it
        raise WorkloadError(f"{name} names the architecture {named!r}, which this transformers does not have")
    return architecture


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Turn whatever transformers raises of a config from anywhere into a refusal of one line.

    Its classes check fields in their own ways, and with exceptions of their own.
    """
    try:
        yield
    except WorkloadError:
        raise
    except Exception as error:
        raise WorkloadError(f"{what}: {first_line(error)}") from error


def _build(name: str, config: Any, architecture: Any, batch_size: int) -> Model:
    import transformers

    make = architecture.from_config if architecture is transformers.AutoModel else architecture
    with _refusing(f"transformers builds no model of hf:{name}"):
        _check_size(name, config, make)
        module = make(config)
    with _refusing(f"no inputs can be made for hf:{name}"):
        return Model(module, inputs_of(module, config, batch_size))


def _check_size(name: str, config: Any, make: Any) -> None:
    """Refuse, before any memory is asked for, weights that this machine does not hold."""
    try:
        with torch.device("meta"):
            described = make(config)
    except (RuntimeError, NotImplementedError, ValueError, TypeError, AttributeError):
        return  # a model that computes while it is built; building it says what is wrong, if anything is
    needed = sum(bytes_of(parameter) for parameter in described.parameters())
    if "SC_AVPHYS_PAGES" not in os.sysconf_names:
        return
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > free:
        raise WorkloadError(
            f"hf:{name} has {needed / 2**30:.1f} GiB of parameters, and {free / 2**30:.1f} GiB are free:"
            " give a smaller one as hf:PATH.json"
        )


def inputs_of(module: Any, config: Any, batch_size: int) -> dict[str, object]:
    """Make random inputs for an architecture, by the names that its forward pass takes.

    Raises:
        WorkloadError: its main input is of a kind that is not known here.
    """
    takes = inspect.signature(module.forward).parameters
    makers = {
        "input_ids": _tokens,
        "pixel_values": _pixels,
        "input_values": lambda _config, batch: torch.randn(batch, _AUDIO),
        "input_features": _features,
    }
    main = module.main_input_name
    if main not in makers:
        raise WorkloadError(
            f"{type(module).__name__} takes {main!r}, for which no inputs are made here ({', '.join(makers)}"
            " are); write a factory that returns (module, inputs)"
        )
    names = [main]
    if hasattr(config, "vision_config") and hasattr(config, "text_config"):
        names += [other for other in ("input_ids", "pixel_values") if other in takes and other != main]
    inputs: dict[str, object] = {given: makers[given](config, batch_size) for given in names}
    ids = inputs.get("input_ids")
    if isinstance(ids, torch.Tensor) and "attention_mask" in takes:
        inputs["attention_mask"] = torch.ones_like(ids)
    if getattr(config, "is_encoder_decoder", False) and "decoder_input_ids" in takes:
        inputs["decoder_input_ids"] = _tokens(config, batch_size)
    return inputs


def _text_config(config: Any) -> Any:
    return getattr(config, "text_config", config)


def _tokens(config: Any, batch_size: int) -> torch.Tensor:
    # transformers 4.41 has no word of its own for it
    text = config.get_text_config() if hasattr(config, "get_text_config") else _text_config(config)
    # roberta and its kin count positions from 2
    most = getattr(text, "max_position_embeddings", None) or _TOKENS + 2
    return torch.randint(0, text.vocab_size, (batch_size, max(1, min(_TOKENS, most - 2))))


def _pixels(config: Any, batch_size: int) -> torch.Tensor:
    vision = getattr(config, "vision_config", config)
    size = getattr(vision, "image_size", None) or _PIXELS
    rows, columns = size if isinstance(size, (tuple, list)) else (size, size)
    return torch.randn(batch_size, getattr(vision, "num_channels", None) or 3, rows, columns)


def _features(config: Any, batch_size: int) -> torch.Tensor:
    mels = getattr(config, "num_mel_bins", None) or 80
    positions = getattr(config, "max_source_positions", None)
    return torch.randn(batch_size, mels, 2 * positions if positions else _FRAMES)
