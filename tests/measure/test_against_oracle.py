"""The books of random modules against an oracle that counts live storages.

The oracle uses neither the profiler nor saved-tensor hooks, which the books rest on.
"""

from dataclasses import dataclass

import pytest
import torch
from measure.oracle import Alive, alive_after
from measure.random_modules import KINDS, Options, RandomModule, random_module
from torch import nn

from harness.measure.observe import Observation
from harness.workload.model import Model
from harness.workload.step import Part, Step

pytestmark = [
    pytest.mark.process,
    # A reentrant checkpoint whose inputs need no gradient is among what is drawn.
    pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad:UserWarning"),
    pytest.mark.skipif(
        not hasattr(nn, "RMSNorm"),
        reason="torch < 2.4 lacks some of the layers; drop with those tox factors",
    ),
]

HOOKED = Options(hidden=False)  # what the graph holds is all told to saved-tensor hooks
ANY = Options(hidden=True)


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes, as both sides state them; `spare` is what is not retained under `no_grad`."""

    retained: int
    spare: int
    saved: int
    scalars: int


def of_the_oracle(seed: int, options: Options) -> Held:
    with_graph = _alive(seed, options)
    with torch.no_grad():
        without = _alive(seed, options)
    return Held(
        with_graph.retained, with_graph.retained - without.retained, with_graph.saved, with_graph.scalars
    )


def _alive(seed: int, options: Options) -> Alive:
    module, inputs = random_module(seed, options)
    torch.manual_seed(seed)
    return alive_after(lambda: module(*inputs), lambda _result: module.results())


def of_the_harness(module: RandomModule, inputs: tuple[torch.Tensor, ...], seed: int) -> Held:
    torch.manual_seed(seed)
    model = Model(module, inputs)
    books = Observation(Step((Part("forward", model),), model, model)).books
    return Held(books.retained, books.retained - books.retained_no_grad, books.saved, books.scalars)


def assert_equal_books(seed: int, options: Options) -> None:
    module, inputs = random_module(seed, options)
    harness, oracle = of_the_harness(module, inputs, seed), of_the_oracle(seed, options)
    message = f"seed {seed}: {module}\nharness: {harness}\noracle:  {oracle}"
    assert (harness.retained, harness.spare) == (oracle.retained, oracle.spare), message
    if not options.hidden:
        assert (harness.saved, harness.scalars) == (oracle.saved, oracle.scalars), message


@pytest.mark.parametrize("seed", range(60))
def test_the_books_of_a_random_module_are_what_the_oracle_counts(seed: int) -> None:
    assert_equal_books(seed, HOOKED)


@pytest.mark.parametrize("seed", range(20))
def test_what_no_hook_is_told_of_is_retained_all_the_same(seed: int) -> None:
    assert_equal_books(seed, ANY)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1500))
def test_the_books_of_many_random_modules_are_what_the_oracle_counts(seed: int) -> None:
    assert_equal_books(seed, HOOKED)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2000, 2200))
def test_what_no_hook_is_told_of_is_retained_in_many_modules(seed: int) -> None:
    assert_equal_books(seed, ANY)


@pytest.mark.slow
def test_every_kind_of_operation_is_in_some_module() -> None:
    modules = [random_module(seed, ANY)[0] for seed in range(2000, 2700)]
    used = {instruction.kind for module in modules for instruction in module.instructions}

    assert sorted(KINDS.keys() - used) == []


def test_random_modules_are_of_many_kinds() -> None:
    modules = [random_module(seed, HOOKED)[0] for seed in range(60)]

    assert len({instruction.kind for module in modules for instruction in module.instructions}) > 100
    assert len({module.container for module in modules}) > 15
    assert {value.dtype for seed in range(30) for value in random_module(seed, HOOKED)[1]} >= {
        torch.float32,
        torch.float64,
        torch.bfloat16,
        torch.complex64,
    }


def test_a_seed_gives_one_module() -> None:
    (first, some), (second, others) = random_module(3), random_module(3)

    assert str(first) == str(second)
    assert all(torch.equal(one, other) for one, other in zip(some, others, strict=True))
