"""What no_grad saves is the difference of what two arms hold, and where it is nothing the reason is said."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from brought import models_headline as models
from brought.command import measure
from brought.witness import spared

from harness import Model, ledger

pytestmark = pytest.mark.process

_SPARED = [
    (models.enabled_inside, 0),
    (models.enabled_by_decorator, 0),
    (models.guarded_forces, 0),
    (models.detached, 0),
    (models.detached_copy, 0),
    (models.no_grad_inside, 0),
    (models.kept_by_hooks, 0),
    (models.kept_as_attribute, 4096),
    (models.frozen, 0),
]


@pytest.mark.parametrize(("build", "bytes_"), _SPARED)
def test_what_no_grad_spares_is_a_difference(build: Callable[[], Model], bytes_: int) -> None:
    assert spared(build()) == bytes_
    books = ledger(build())

    assert books.spared_bytes == bytes_ + (books.scalar_bytes if bytes_ else 0)
    assert books.retained_bytes - books.retained_no_grad_bytes == books.spared_bytes


@pytest.mark.parametrize("build", [build for build, bytes_ in _SPARED if bytes_ == 0])
def test_the_headline_says_that_nothing_is_spared(build: Callable[[], Model], tmp_path: Path) -> None:
    done = measure(f"models_headline:{build.__name__}", tmp_path, "--question", "grad_mode")

    assert done.status == 0 or build is models.guarded_forces  # whose inference_mode fails
    told = re.search(r"no_grad saves ([\d.,]+) (\w+)", done.said)
    # the graph is gone when `detached` returns, and its peak is still higher: that may be told
    assert told is None or float(told.group(1).replace(",", "")) == 0 or build.__name__.startswith("detached")
    assert done.count("grad", "retained") == done.count("no_grad", "retained")


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (models.enabled_inside, "enable_grad"),
        (models.enabled_by_decorator, "enable_grad"),
        (models.kept_by_hooks, "hook|kept|keep|held"),
        (models.detached, "detach|without a graph|no graph"),
        (models.frozen, "trainable|requires grad|frozen"),
        (models.no_grad_inside, "no_grad"),
    ],
)
def test_the_reason_is_said_where_nothing_is_spared(build: Callable[[], Model], reason: str) -> None:
    assert any(re.search(reason, note) for note in ledger(build()).notes)


def test_inference_mode_that_fails_takes_no_other_arm_with_it(tmp_path: Path) -> None:
    done = measure("models_headline:guarded_forces", tmp_path, "--question", "grad_mode")

    assert done.arm("grad").get("status", "ok") == "ok"
    assert done.arm("no_grad").get("status", "ok") == "ok"
    assert done.arm("inference_mode")["status"] == "failed"


def test_hooks_of_the_models_own_that_copy_are_in_the_headline() -> None:
    model = models.packed()
    right = spared(model)
    books = ledger(model)

    assert books.spared_bytes == right + books.scalar_bytes
    assert books.unaccounted_bytes == 0 or books.unaccounted
    assert books.unaccounted_bytes == 0 or any("hook" in note for note in books.notes)


def test_hooks_of_the_models_own_that_keep_are_in_the_headline() -> None:
    model = models.offloaded()
    right = spared(model)
    books = ledger(model)

    assert books.spared_bytes == right + books.scalar_bytes


def test_the_command_and_the_ledger_agree_on_hooks_of_the_models_own(tmp_path: Path) -> None:
    done = measure("models_headline:packed", tmp_path, "--question", "grad_mode")
    spared_by_arms = done.count("grad", "retained") - done.count("no_grad", "retained")

    assert spared_by_arms == spared(models.packed())
    told = re.search(r"no_grad saves ([\d.]+) (KiB|B)", done.said)
    assert told is not None
    assert float(told.group(1)) * {"B": 1, "KiB": 1024}[told.group(2)] == pytest.approx(
        spared_by_arms, rel=0.01
    )
