"""Whether a device's clock was held back while it worked, as NVIDIA's management library tells it."""

import importlib
from dataclasses import dataclass
from typing import Any

from harness.measure.devices.protocol import Device

# The library's names, without their beginning: `nvmlClocksEventReason...`, before its version 12.535
# `nvmlClocksThrottleReason...`. An idle clock, and one that a person has set, are no throttling.
_REASONS = {
    "SwPowerCap": "its power limit",
    "SwThermalSlowdown": "its temperature",
    "HwThermalSlowdown": "its temperature, by hardware",
    "HwPowerBrakeSlowdown": "the power supply, by hardware",
    "HwSlowdown": "hardware (heat, power or a fast drop of voltage)",
    "SyncBoost": "a slower device that it is boosted together with",
}
_UNKNOWN = "whether the clock was throttled is not known: "


@dataclass(slots=True)
class ClockWatch:
    """Looks at a device's clock while it works, and says what it saw.

    Attributes:
        library: the module `pynvml`; None where it cannot be asked, with the reason.
        handle: the device's, in that library.
        reason: why the clock cannot be watched; else "".
    """

    library: Any
    handle: Any
    reason: str = ""
    reasons: int = 0

    def look(self) -> bool:
        """Keep what holds the clock back at this moment; return whether something does."""
        if self.library is None:
            return False
        ask = getattr(self.library, "nvmlDeviceGetCurrentClocksEventReasons", None)
        ask = ask or self.library.nvmlDeviceGetCurrentClocksThrottleReasons
        try:
            now = ask(self.handle)
        except self.library.NVMLError as error:
            self.library, self.reason = None, f"{error}"
            return False
        self.reasons |= now
        return any(now & self._bit(name) for name in _REASONS)

    def notes(self, slowed: int) -> tuple[str, ...]:
        """Say what held the clock back, or that nobody can say.

        Args:
            slowed: rounds in which it was held back, each time that they were taken.
        """
        if self.reason:
            return (_UNKNOWN + self.reason,)
        causes = " and ".join(words for name, words in _REASONS.items() if self.reasons & self._bit(name))
        if slowed:
            return (f"the clock was throttled while it was timed, by {causes}",)
        return (f"rounds in which the clock was throttled, by {causes}, were taken again",) if causes else ()

    def _bit(self, name: str) -> int:
        old = getattr(self.library, f"nvmlClocksThrottleReason{name}", 0)
        return int(getattr(self.library, f"nvmlClocksEventReason{name}", old))


def watch_clock(device: Device) -> ClockWatch:
    """Return a watch of a device's clock; one that sees nothing, and says so, where it cannot be had."""
    try:
        library = importlib.import_module("pynvml")
    except ModuleNotFoundError:
        return ClockWatch(None, None, "pip install nvidia-ml-py brings what tells it")
    name = device.identifier
    if not name:
        return ClockWatch(None, None, "this torch does not tell a device's UUID, by which it is looked up")
    try:
        library.nvmlInit()
        return ClockWatch(library, library.nvmlDeviceGetHandleByUUID(name))
    except library.NVMLError as error:
        return ClockWatch(None, None, str(error))
