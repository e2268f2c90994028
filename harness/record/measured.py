"""What a measurement makes, in plain dataclasses: they load wherever torch does, with no other package."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["noisy", "exact", "witness"]
Better = Literal["lower", "higher"]
Unit = str  # "s", "B", "1" for a count, or any other, such as "J"


@dataclass(frozen=True, slots=True)
class Metric:
    """One quantity that a probe takes; unit, direction, kind and where it is shown travel with the data."""

    name: str
    unit: Unit
    better: Better
    kind: Kind
    meaning: str
    everywhere: bool = False  # in the table of every question, not only where a question lists it


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question put to one model in one setting."""

    question: str
    model: str
    device: str = "cpu"
    dtype: str = "float32"
    batch_size: int = 1
    mode: str = "eval"  # "train" or "eval"
    variant: str = ""  # a question's own dimension, such as "adamw-foreach"
    memory_format: str = ""  # "channels_last"; "" for torch's own, which is contiguous

    @property
    def title(self) -> str:
        """The case without its question, as the heading of a table has it."""
        setting = (self.model, self.variant, self.mode, self.dtype, self.memory_format)
        return ", ".join(part for part in (*setting, f"batch {self.batch_size}") if part)

    @property
    def id(self) -> str:
        """The case in one line: what names it in tables, baselines and test ids.

        >>> Case(question="grad_mode", model="mlp-relu", batch_size=64).id
        'grad_mode/mlp-relu/eval/cpu-float32-b64'
        """
        setting = (self.device, self.dtype, self.memory_format, f"b{self.batch_size}")
        parts = [
            self.question,
            self.model,
            self.mode,
            self.variant,
            "-".join(part for part in setting if part),
        ]
        return "/".join(part for part in parts if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """`retained - retained under no_grad = saved + scalars - recorded under no_grad + unaccounted`.

    All in bytes.
    """

    retained: int
    retained_no_grad: int
    saved: int
    scalars: int
    recorded_no_grad: int = 0  # saved and scalars of a graph that is made under no_grad too

    @property
    def unaccounted(self) -> int:
        """What is left over; 0 when the books balance."""
        return self.spared - self.saved - self.scalars + self.recorded_no_grad

    @property
    def spared(self) -> int:
        """What `no_grad` spares of what a pass holds."""
        return self.retained - self.retained_no_grad


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Bytes that are held after a forward pass, and who asked for them."""

    bytes: int
    operator: str  # the operator that allocated the block
    module: str  # the path of the module that was running; "" for the model itself


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLine:
    """A line of code at which something that is counted happens."""

    file: str  # relative to the project's root, or to the folder of installed packages that it lies in
    line: int
    count: int
    function: str = ""  # that the line stands in; "" where it was not written down

    @property
    def named(self) -> str:
        """The place with its function.

        >>> CodeLine(file="nets.py", line=41, count=3, function="evaluate").named
        'evaluate (nets.py:41)'
        """
        return f"{self.function or 'code'} ({self.file}:{self.line})"

    @property
    def text(self) -> str:
        """The place in a few characters.

        >>> CodeLine(file="model.py", line=12, count=2).text
        'model.py:12 (2)'
        """
        return f"{self.file}:{self.line}" + (f" ({self.count})" if self.count > 1 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Operators that modules of one class call themselves, each of them alike.

    What operators call in turn is not counted, nor what a module inside calls.
    """

    modules: tuple[str, ...]  # their paths, "" for the model itself; or a part of the step, where kind is ""
    kind: str  # their class; "" for what is called after the forward pass, such as "backward"
    operators: dict[str, int]  # calls in a step, by name: {"reshape": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Allocated bytes of one category that belong to one module and one operator."""

    category: str  # "parameters", "saved", "gradients", "temporaries", ...
    bytes: int
    blocks: int  # storages
    module: str = ""  # path of the module; "" for the model itself, its loss, or no module at all
    kind: str = ""  # the class of that module
    operator: str = ""  # what saved or allocated the bytes, as in "addmm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """What holds the memory at the highest level of one step: every byte is in exactly one share."""

    peak: int  # allocated bytes at that level, those that outlive the step included
    above_start: int  # of them, above the level at the start of the step: the metric `peak`
    part: str  # the part of the step in which the level is reached
    shares: tuple[Share, ...]  # largest first
