"""What limits a step on a device with a queue: the device, the host that issues, or waiting between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.record.measured import CodeLine

Limit = Literal["device", "host", "waits", "neither", "unknown"]

_BUSY = 0.9  # of the wall time, from which on nothing else is worth a look
_IDLE = 0.75  # up to which the device has time to spare
_AS_LONG = 0.8  # of the wall time: the host issues for about as long, whose readings differ by as much
_MOST_PLACES = 3


@dataclass(frozen=True, slots=True)
class Work:
    """One step, in seconds a call; each is of readings of its own.

    Attributes:
        wall: until the device is done.
        host: until the host has issued all.
        busy: during which the device works; None where that is not known.
        waits: how often the host waits for the device within a call.
        places: at which lines.
    """

    wall: float
    host: float
    busy: float | None
    waits: int = 0
    places: tuple[CodeLine, ...] = ()


def limit_of(work: Work) -> Limit:
    """Return what limits a step.

    >>> limit_of(Work(wall=14.2e-3, host=13.8e-3, busy=3.092e-3, waits=1))
    'waits'
    """
    share = None if work.busy is None else work.busy / work.wall
    if share is not None and share >= _BUSY:
        return "device"
    if work.waits:
        return "waits"
    if share is None:
        return "unknown"
    return "host" if share <= _IDLE and work.host >= _AS_LONG * work.wall else "neither"


def limit_note(work: Work) -> str:
    """Say what limits an arm, without the numbers, which stand in its row: arms that agree say the same.

    >>> limit_note(Work(wall=3.08e-3, host=0.48e-3, busy=2.879e-3))
    'the device limits: it works all but the whole time of a call'
    """
    return {
        "device": "the device limits: it works all but the whole time of a call",
        "host": "the host limits: it issues for as long as a call takes, and the device idles (launch-bound)",
        "waits": f"waits limit: the host waits for the device {_times(work.waits)} a call{_at(work.places)}",
        "neither": "neither host nor device limits alone: both work for a part of a call",
        "unknown": "what limits is not known: how long the device works could not be measured",
    }[limit_of(work)]


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _at(places: Sequence[CodeLine]) -> str:
    if not places:
        return ""
    more = f" and {len(places) - _MOST_PLACES} more" if len(places) > _MOST_PLACES else ""
    return f", at {', '.join(place.text for place in places[:_MOST_PLACES])}{more}"
