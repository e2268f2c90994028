"""timm and torchvision models with random weights: nothing is fetched."""

import difflib
import importlib
import inspect
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch

from harness.workload.factory import first_line
from harness.workload.model import Model, WorkloadError
from harness.workload.models import Entry

_BATCH_SIZE = 4
_IMAGE = (3, 224, 224)  # channels, rows, columns: what most of these models were trained on
_VIDEO = (3, 16, 112, 112)
_ASK_HOW_TO_BEGIN = ("googlenet", "inception_v3")  # and warn where they are not told


def timm_entry(name: str) -> Entry:
    """Return the entry of a timm architecture.

    Raises:
        WorkloadError: timm is not installed, has no such model, or the name asks for a download.
    """
    timm = _library("timm", name)
    if name.startswith(("hf_hub:", "hf-hub:", "local-dir:")):
        raise WorkloadError(
            f"timm:{name} would need a download, and nothing is fetched; name an architecture"
        )
    architecture = name.partition(".")[0]  # behind the point stands the tag of pretrained weights
    if not timm.is_model(architecture):
        raise WorkloadError(_unknown("timm", architecture, timm.list_models()))
    return Entry(f"timm:{name}", partial(_timm, name), _BATCH_SIZE)


def _timm(name: str, batch_size: int) -> Model:
    import timm

    try:
        # The tag counts without its weights too: it gives the number of classes and the size of images.
        module = timm.create_model(name, pretrained=False)
    except RuntimeError as error:
        raise WorkloadError(f"timm builds no model of timm:{name}: {first_line(error)}") from error
    size = timm.data.resolve_model_data_config(module)["input_size"]
    return Model(module, (torch.randn(batch_size, *size),))


def torchvision_entry(name: str) -> Entry:
    """Return the entry of a torchvision model.

    Raises:
        WorkloadError: torchvision is not installed, or has no such model.
    """
    torchvision = _library("torchvision", name)
    known = torchvision.models.list_models()
    if name not in known:
        raise WorkloadError(_unknown("torchvision", name, known))
    return Entry(f"torchvision:{name}", partial(_torchvision, name), _BATCH_SIZE)


def _torchvision(name: str, batch_size: int) -> Model:
    from torchvision import models

    # Without a word, detection and segmentation models fetch the weights of their backbone.
    takes = inspect.signature(models.get_model_builder(name)).parameters
    options: dict[str, object] = {"weights_backbone": None} if "weights_backbone" in takes else {}
    if name.removeprefix("quantized_") in _ASK_HOW_TO_BEGIN:
        options["init_weights"] = True
    module = models.get_model(name, weights=None, **options)
    if "detection" in type(module).__module__:
        return Model(module, (list(torch.randn(batch_size, *_IMAGE).unbind()),))
    images = torch.randn(batch_size, *_torchvision_size(models, name))
    if "optical_flow" in type(module).__module__:  # from one image to the next
        return Model(module, (images, torch.randn_like(images)))
    return Model(module, (images,))


def _torchvision_size(models: Any, name: str) -> tuple[int, ...]:
    """Return the size of one example, as the transforms that belong to the model crop it, or resize it."""
    transforms = models.get_model_weights(name).DEFAULT.transforms()
    size = getattr(transforms, "crop_size", None) or getattr(transforms, "resize_size", None)
    sizes = tuple(size) if size else ()
    if "video" in models.get_model_builder(name).__module__:
        return (*_VIDEO[:2], *(sizes if len(sizes) == 2 else _VIDEO[2:]))  # noqa: PLR2004 (rows, columns)
    return (3, sizes[0], sizes[-1]) if sizes else _IMAGE


def _library(source: str, name: str) -> Any:
    try:
        return importlib.import_module(source)
    except ModuleNotFoundError as error:
        if error.name != source:
            raise WorkloadError(
                f"{source}:{name} cannot be had: importing {source} raised {first_line(error)}"
            ) from error
        raise WorkloadError(f"{source}:{name} needs {source}: pip install {source}") from error
    except (ImportError, OSError, RuntimeError) as error:
        # A build for another torch fails in many ways while it registers its operators.
        raise WorkloadError(
            f"{source}:{name} cannot be had: importing {source} raised {first_line(error)}"
        ) from error


def _unknown(source: str, name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=5, cutoff=0.5)
    advice = f"; near are {', '.join(near)}" if near else f"; {source} lists them with list_models()"
    return f"{source} has no model {name!r}{advice}"
