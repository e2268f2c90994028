"""Hugging Face models built from a config with random weights: nothing is fetched."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch

from harness.workload.factory import first_line
from harness.workload.huggingface_config import config_entry
from harness.workload.model import Model, WorkloadError
from harness.workload.models import Entry


@dataclass(frozen=True, slots=True)
class Preset:
    """A named configuration of an architecture that transformers builds."""

    config: str
    architecture: str
    head: str
    inputs: Literal["tokens", "pixels"]
    size: int  # tokens a sequence, or pixels a side
    batch_size: int
    changes: dict[str, Any] = field(default_factory=dict)


_Kind = tuple[str, str, str, Literal["tokens", "pixels"]]
_RESNET: _Kind = ("ResNetConfig", "ResNetForImageClassification", "classifier", "pixels")
_VIT: _Kind = ("ViTConfig", "ViTForImageClassification", "classifier", "pixels")
_BERT: _Kind = ("BertConfig", "BertForSequenceClassification", "classifier", "tokens")
_GPT2: _Kind = ("GPT2Config", "GPT2LMHeadModel", "lm_head", "tokens")
_SMALL = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 512,
}

PRESETS: dict[str, Preset] = {
    "resnet-50": Preset(*_RESNET, size=224, batch_size=4),
    "vit-b16": Preset(*_VIT, size=224, batch_size=4),
    "bert-base": Preset(*_BERT, size=128, batch_size=4),
    "gpt2": Preset(*_GPT2, size=128, batch_size=2, changes={"use_cache": False}),
    "resnet-tiny": Preset(
        *_RESNET,
        size=64,
        batch_size=4,
        changes={"embedding_size": 16, "hidden_sizes": [16, 32, 64, 128], "depths": [1, 1, 1, 1]},
    ),
    "vit-tiny": Preset(*_VIT, size=64, batch_size=4, changes={**_SMALL, "image_size": 64}),
    "bert-tiny": Preset(*_BERT, size=64, batch_size=4, changes={**_SMALL, "vocab_size": 4096}),
    "gpt2-tiny": Preset(
        *_GPT2,
        size=64,
        batch_size=2,
        changes={
            "use_cache": False,
            "n_embd": 128,
            "n_layer": 2,
            "n_head": 2,
            "vocab_size": 4096,
            "bos_token_id": 0,
            "eos_token_id": 0,
        },
    ),
}


def huggingface_entry(name: str) -> Entry:
    """Return the entry of a preset, an architecture, a model type, or a config file.

    Raises:
        WorkloadError: nothing can be built of that name, transformers is not installed, or it does not take
            this torch.
    """
    try:
        import transformers  # its own import is slow, and only these models need it
    except ModuleNotFoundError as error:
        if error.name != "transformers":
            raise WorkloadError(
                f"hf:{name} cannot be had: importing transformers raised {first_line(error)}"
            ) from error
        raise WorkloadError(f"hf:{name} needs transformers: pip install 'transformers>=4.41'") from error
    except ImportError as error:
        raise WorkloadError(
            f"hf:{name} cannot be had: importing transformers raised {first_line(error)}"
        ) from error
    if not transformers.is_torch_available():
        raise WorkloadError(
            f"hf:{name} cannot be had: transformers {transformers.__version__} does not take torch"
            f" {torch.__version__}; a newer torch is needed, or an older transformers, such as 4.41.2, which"
            " takes torch 2.0"
        )
    if name not in PRESETS:
        return config_entry(name)
    preset = PRESETS[name]
    return Entry(f"hf:{name}", partial(_build, preset), preset.batch_size)


def _build(preset: Preset, batch_size: int) -> Model:
    import transformers

    config = getattr(transformers, preset.config)(**preset.changes)
    module = getattr(transformers, preset.architecture)(config)
    if preset.inputs == "tokens":
        ids = torch.randint(0, config.vocab_size, (batch_size, preset.size))
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    else:
        inputs = {"pixel_values": torch.randn(batch_size, 3, preset.size, preset.size)}
    return Model(module, inputs, head=preset.head)
