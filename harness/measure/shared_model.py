"""The one model that the exact passes of all arms run on, put back before each to what it was when built."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from harness.measure.observe import Observation
from harness.record.measured import Case
from harness.workload.hooks import is_compiled, is_scripted
from harness.workload.model import Model, UnsupportedError
from harness.workload.models import Entry
from harness.workload.optimizer_states import OptimizerStates
from harness.workload.question import Question
from harness.workload.sources import build, set_mode
from harness.workload.state import ModelState, is_bookkeeping
from harness.workload.step import Step


@dataclass(frozen=True, slots=True)
class Prepared:
    """A step on the shared model, and what is known before it runs."""

    step: Step
    reference: Observation | None
    is_warm: bool


@dataclass(slots=True)
class SharedModel:
    """A model built once for all arms; where a call of it changes what the next one reads, one an arm.

    Attributes:
        entry: what builds it.
        seed: of its weights and inputs.
        builds: how often it was built.
    """

    entry: Entry
    seed: int
    builds: int = field(default=0, init=False)
    _model: Model | None = field(default=None, init=False)
    _case: Case | None = field(default=None, init=False)  # that it was built for, without question and mode
    _as_built: ModelState | None = field(default=None, init=False)
    _attributes: dict[nn.Module, frozenset[str]] = field(default_factory=dict, init=False)  # their names
    _states: OptimizerStates = field(default_factory=OptimizerStates, init=False)
    _seen: dict[str, Observation] = field(default_factory=dict, init=False)  # first of a case or kind
    _gradients: dict[torch.Tensor, torch.Tensor] = field(default_factory=dict, init=False)
    _gradients_of: str = field(default="", init=False)  # the case whose steps begin with these
    _is_kept: bool = field(default=True, init=False)  # for the next arm

    def model_for(self, case: Case) -> Model:
        """Return the model as it was built, in a case's mode.

        Raises:
            WorkloadError: it cannot be built.
        """
        built_for = replace(case, question="", mode="", variant="")
        if self._model is None or self._as_built is None or built_for != self._case:
            self.drop()
            self._model, self._case = build(built_for, self.seed, self.entry), built_for
            self.builds += 1
            self._as_built = ModelState.of(self._model)
            self._attributes = {each: frozenset(vars(each)) for each in self._model.module.modules()}
            self._is_kept = not is_compiled(self._model.module) and not is_scripted(self._model.module)
        self._restore()
        set_mode(self._model.module, case.mode)
        return self._model

    def _restore(self) -> None:
        if self._as_built is not None:
            self._as_built.restore()
        for module, names in self._attributes.items():
            for name in [name for name in vars(module) if name not in names]:
                delattr(module, name)  # a method, such as `forward`, that an arm gave to this module alone

    @contextmanager
    def arm(self, question: Question, case: Case, arm: str) -> Iterator[Prepared]:
        """Build an arm's step on the model as it was built; what it changes is put back before the next.

        Raises:
            WorkloadError: the model or the step cannot be built.
        """
        model = self.model_for(case)
        step: Step | None = None
        try:
            step = self._step(question, case, arm, model)
            is_warm = step.optimizer is None or self._states.hand_to(step.optimizer, _trained(step))
            reference = self._seen.get(case.id) or self._seen.get(_kind_of(case, step))
            yield Prepared(step, reference, is_warm and reference is not None)
        except UnsupportedError:
            self._end(question, step)
            raise
        except BaseException:  # what was left half done need not be put back whole
            self.drop()
            raise
        self._end(question, step)

    def _step(self, question: Question, case: Case, arm: str, model: Model) -> Step:
        """Build a step; gradients that building one left are there for the others of its case."""
        if self._gradients_of == case.id:
            for parameter, gradient in self._gradients.items():
                parameter.grad = gradient
        elif self._gradients:  # what was seen of that case holds them too: as many bytes as there are weights
            earlier = self._seen.get(self._gradients_of)
            self._seen = {name: seen for name, seen in self._seen.items() if seen is not earlier}
            self._gradients.clear()
        step = question.build(case, arm, model)
        self._gradients_of = case.id
        self._gradients = {each: each.grad for each in model.module.parameters() if each.grad is not None}
        return step

    def _end(self, question: Question, step: Step | None) -> None:
        if not (question.arms_are_undone and self._is_kept):
            self.drop()
            return
        if step is not None and step.optimizer is not None:
            self._states.take_from(step.optimizer)

    def look_back_on(self, case: Case, seen: Observation) -> None:
        """Keep what was seen of an arm, the first of its case, for the arms after it."""
        if keeps_state(seen):
            self._is_kept = False
        if self._is_kept:
            for name in (case.id, _kind_of(case, seen.step)):
                self._seen.setdefault(name, seen)

    def drop(self) -> None:
        """Drop the model and all that is known of it; the next arm has one built anew."""
        self._model = self._case = self._as_built = None
        self._attributes.clear()
        self._states.drop()
        self._seen.clear()
        self._gradients.clear()
        self._gradients_of = ""


def _trained(step: Step) -> tuple[torch.Tensor, ...] | None:
    """Return the parameters that may get a gradient; None where the step does not say."""
    if step.trains is None:
        return None
    return tuple(each for name, each in step.model.module.named_parameters() if name in step.trains)


def _kind_of(case: Case, step: Step) -> str:
    """Return what steps of several cases have in common, where one tells something of the other."""
    return f"{case.mode}, {'trains' if len(step.parts) > 1 else 'forward'}"


def keeps_state(seen: Observation) -> bool:
    """Return whether a call changes what the next one reads, other than running statistics."""
    return is_scripted(seen.step.model.module) or any(
        not is_bookkeeping(path) for path in seen.forward_pass.changes
    )
