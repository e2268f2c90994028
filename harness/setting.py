"""How something is measured: one value that every door makes, checked when it is made.

Standard library only, because the sides of a duel load it too. A field carries what its options say, so that
a new setting is a field here and the place where it takes effect.
"""

import math
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol

from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.record.measured import Case

HOST = "cpu"
DEVICE_KINDS = (HOST, "cuda")  # each is a module of that name in harness/measure/devices
DTYPES = ("float32", "float64", "bfloat16", "float16", "autocast")
MEMORY_FORMATS = ("", "channels_last")
MODES = ("", "train", "eval")
RUN_TIME_S = 60.0  # of `harness measure`, unless told
SESSION_TIME_S = 100.0  # of a session of pytest, unless told
PAIR_BUDGET_S = 0.5
QUESTIONS = ("grad_mode", "freezing", "decay_groups")  # that are put to a model unless told

_BYTES = {"B": 1}
_BYTES |= {f"{letter}B": 1000**power for power, letter in enumerate("KMGT", 1)}
_BYTES |= {f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", 1)}


class SettingError(HarnessError, ValueError):
    """A setting that cannot be had, and what would have worked."""


def parse_bytes(text: str) -> int:
    """Return a number of bytes that is written with its unit.

    Raises:
        SettingError: it is not a positive number of bytes, or has no unit.

    >>> parse_bytes("8GiB"), parse_bytes("500 MB")
    (8589934592, 500000000)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if match and not match.group(2) and float(match.group(1)):
        bare = match.group(1)
        raise SettingError(f"{text!r} has no unit; write {bare}B, {bare}MB or {bare}MiB")
    size = float(match.group(1)) * _BYTES.get(match.group(2), 0) if match else 0
    if size < 1:
        raise SettingError(f"{text!r} is not an amount of memory; write 500MB, 8GiB, or 4096B")
    return int(size)


def parse_sizes(text: str) -> tuple[int, ...]:
    """Return the batch sizes of a comma-separated list, each once; "" for none.

    Raises:
        SettingError: one of them is not a whole number.

    >>> parse_sizes("1,2,4"), parse_sizes("")
    ((1, 2, 4), ())
    """
    if not text.strip():
        return ()
    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError as error:
        raise SettingError(f"{text!r} are not batch sizes; write 8, or 1,2,4,8") from error


def parse_number(text: str) -> float:
    """Return a number that an option gives.

    Raises:
        SettingError: it is not a number.
    """
    try:
        return float(text)
    except ValueError as error:
        raise SettingError(f"{text!r} is not a number; write 0.5, or 2") from error


def parse_whole(text: str) -> int:
    """Return a whole number that an option gives.

    Raises:
        SettingError: it is not a whole number.
    """
    try:
        return int(text)
    except ValueError as error:
        raise SettingError(f"{text!r} is not a whole number; write 0, or 4") from error


def parse_names(text: str) -> tuple[str, ...]:
    """Return the names of a comma-separated list."""
    return tuple(filter(None, text.split(",")))


def check_batch_size(size: int) -> None:
    """Check a batch size.

    Raises:
        SettingError: it holds no example.
    """
    if size < 1:
        raise SettingError(f"a batch size of {size} holds no example; give 1 or more")


def check_threads(threads: int) -> None:
    """Check a number of intra-op threads.

    Raises:
        SettingError: it is negative.
    """
    if threads < 0:
        raise SettingError(f"{threads} threads cannot run; give 0 (torch's own choice) or more")


def check_budget(seconds: float) -> None:
    """Check a budget of timing, in seconds; 0 is for exact metrics alone.

    Raises:
        SettingError: it is negative, infinite or not a number.
    """
    if not 0 <= seconds < math.inf:
        raise SettingError(f"a budget of {seconds:g} s cannot be spent; give 0 or more seconds")


def check_memory_format(name: str) -> None:
    """Check the name of a memory format.

    Raises:
        SettingError: torch has no such format, or it is not one that is laid out here.
    """
    if name not in MEMORY_FORMATS:
        raise SettingError(
            f"no memory format {name!r}; there is channels_last, and without one tensors are contiguous"
        )


class ModelDefaults(Protocol):
    """What a case takes from a model where the setting leaves it to the model."""

    @property
    def name(self) -> str:
        """What tables call it."""

    @property
    def dtype(self) -> str:
        """The dtype that it is made in; "mixed" for several."""

    @property
    def batch_size(self) -> int:
        """Examples a batch unless told."""


def _option(
    default: Any,
    meaning: str,
    doors: str,
    *,
    metavar: str = "NAME",
    name: str = "",
    read: Callable[[str], Any] = str,
) -> Any:
    """Return a field with what its options say, and its doors: measure, fit, duel, bisect, pytest."""
    shown = {
        "meaning": meaning,
        "doors": doors.split(),
        "default": default,
        "metavar": metavar,
        "name": name,
        "read": read,
    }
    return field(default=default, metadata=shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How something is measured. Lists become tuples; every value is checked.

    Attributes:
        device: one of `DEVICE_KINDS`, with or without a number; seen to be there where torch is loaded.
        dtype: of weights and inputs, or "autocast"; "" for the model's own.
        memory_format: "channels_last"; "" for torch's own.
        batch_sizes: examples a batch; empty for the model's own.
        mode: "train" or "eval"; "" for the question's own.
        trainable: patterns of the parameters that an arm of their own trains.
        loss: a name, `package.module:function`, or in this process a function; "" for the model's own.
        time: seconds of the whole run, shared out among what is to be timed; 0 for exact metrics alone, None
            for what the command spends by itself.
        budget: seconds of timing an arm, in place of a share of the run's time; 0 for exact metrics alone.
        threads: intra-op threads of torch; 0 for torch's own choice.
        seed: of weights, inputs and the order of rounds.
        curve: the freezing curve is taken too.
        full: nothing is left out, however long its exact numbers take.
        memory_limit: bytes, for which the largest batch is looked for; None for no search.

    Raises:
        SettingError: a value cannot be had; the sentence names what would have worked.
    """

    device: str = _option("cpu", "device: cpu, cuda, cuda:1", "measure fit duel bisect pytest")
    dtype: str = _option(
        "",
        "dtype: float32, bfloat16, ..., or autocast; by default the model's own",
        "measure fit duel bisect pytest",
    )
    memory_format: str = _option(
        "",
        "layout of images: channels_last; by default contiguous",
        "measure fit duel bisect pytest",
        metavar="FORMAT",
    )
    batch_sizes: tuple[int, ...] = _option(
        (),
        "examples a batch, by default the model's own; in measure, several show how bytes and time grow",
        "measure fit duel bisect pytest",
        name="batch-size",
        metavar="N[,N...]",
        read=parse_sizes,
    )
    memory_limit: int | None = _option(
        None,
        "bytes for which to find the largest batch that fits, such as 8GiB",
        "measure",
        metavar="SIZE",
        read=parse_bytes,
    )
    mode: str = _option("", "mode of the model; by default the question's own", "measure duel bisect")
    trainable: tuple[str, ...] = _option(
        (),
        "parameters that an arm of their own trains, such as 'lora_*'; --train PATTERN is the same",
        "measure fit",
        metavar="PATTERN",
        read=parse_names,
    )
    time: float | None = _option(
        None,
        "seconds of the whole run; what is decided early leaves its share to the rest; 0 takes exact metrics"
        " only; by default 60, in pytest 100",
        "measure pytest",
        metavar="SECONDS",
        read=parse_number,
    )
    budget: float | None = _option(
        None,
        "seconds of timing an arm, in place of a share of the run's time; 0 takes exact metrics only;"
        " by default in fit 2 a finalist, in a duel 2 to 6 over all restarts",
        "measure fit duel pytest",
        metavar="SECONDS",
        read=parse_number,
    )
    loss: str | Callable[[Any], Any] = _option(  # noqa: RUF009 (a field like the others)
        "",
        "loss: mean_square, sum, cross_entropy, own, or package.module:function",
        "measure fit duel bisect",
    )
    curve: bool = _option(True, "freeze the first k blocks, for every k", "measure")  # noqa: FBT003 (a default)
    full: bool = _option(
        False,  # noqa: FBT003 (a default)
        "leave nothing out of a large model: every usual question, every place of the freezing curve",
        "measure",
    )
    threads: int = _option(
        1,
        "intra-op threads of torch; 0 leaves torch's own choice",
        "measure fit duel bisect pytest",
        metavar="N",
        read=parse_whole,
    )
    seed: int = _option(
        0, "seed of weights, inputs and order", "measure fit duel bisect", metavar="N", read=parse_whole
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "batch_sizes", tuple(self.batch_sizes))
        object.__setattr__(self, "trainable", tuple(self.trainable))
        if isinstance(self.memory_limit, str):
            object.__setattr__(self, "memory_limit", parse_bytes(self.memory_limit))
        if self.dtype and self.dtype not in DTYPES:
            raise SettingError(f"no dtype {self.dtype!r}; there are {', '.join(DTYPES)}")
        check_memory_format(self.memory_format)
        for size in self.batch_sizes:
            check_batch_size(size)
        if self.mode not in MODES:
            raise SettingError(f"no mode {self.mode!r}; there are 'train' and 'eval'")
        for seconds in (self.budget, self.time):
            if seconds is not None:
                check_budget(seconds)
        check_threads(self.threads)

    @classmethod
    def of_words(cls, words: Mapping[str, Any]) -> "Setting":
        """Make a setting of what options gave, by field; "" and None leave the default.

        Raises:
            SettingError: a word cannot be read, or a value cannot be had.

        >>> Setting.of_words({"batch_sizes": "1,2", "budget": "0", "dtype": ""}).batch_sizes
        (1, 2)
        """
        given = {}
        for each in fields(cls):
            word = words.get(each.name)
            if word is not None and word != "":
                given[each.name] = each.metadata["read"](word) if isinstance(word, str) else word
        return cls(**given)

    @property
    def pair_budget(self) -> float:
        """Seconds of timing an arm, for who has no time of a run to share out."""
        return PAIR_BUDGET_S if self.budget is None else self.budget

    @property
    def is_exact_only(self) -> bool:
        """Whether nothing is to be timed."""
        return not (self.run_time(1.0) if self.budget is None else self.budget)

    def run_time(self, default: float) -> float:
        """Return the seconds of a run."""
        return default if self.time is None else self.time

    def case(
        self, question: str, model: ModelDefaults, mode: str, *, variant: str = "", batch_size: int = 0
    ) -> "Case":
        """Return the case of a question that is put to a model in this setting.

        Args:
            question: its name.
            model: has a name, and what the setting leaves to it.
            mode: "train" or "eval", where the setting has none.
            variant: a question's own dimension.
            batch_size: examples; by default the first of the setting, or the model's own.
        """
        from harness.record.measured import (
            Case,
        )  # every session of pytest reads these options, and few measure

        return Case(
            question=question,
            model=model.name,
            device=self.device,
            dtype=self.dtype or model.dtype,
            batch_size=batch_size or (*self.batch_sizes, model.batch_size)[0],
            mode=self.mode or mode,
            variant=variant,
            memory_format=self.memory_format,
        )


def options_of(door: str) -> tuple[tuple[str, str, Mapping[str, Any]], ...]:
    """Return field, option without dashes, and what is shown of it, of every setting that a door has."""
    return tuple(
        (each.name, each.metadata["name"] or each.name.replace("_", "-"), each.metadata)
        for each in fields(Setting)
        if door in each.metadata["doors"]
    )


def layout_words(case: "Case", prefix: str = "--") -> tuple[str, ...]:
    """Return the option of a case's memory format, quoted for a shell; nothing for torch's own.

    >>> from harness.record.measured import Case
    >>> layout_words(Case(question="q", model="m", memory_format="channels_last"))
    ('--memory-format channels_last',)
    """
    name = shlex.quote(" ".join(case.memory_format.split()))
    return (f"{prefix}memory-format {name}",) if case.memory_format else ()
