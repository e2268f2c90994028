"""The one registry of devices: from a name as torch takes it to its kind's class and to the device itself.

A kind is a module of its name beside this one, and a name in `DEVICE_KINDS`. It is loaded when it is first
asked for: the CPU's needs no torch.
"""

from importlib import import_module

from harness.measure.devices.protocol import Backend, Device
from harness.setting import DEVICE_KINDS, HOST, SettingError


def backend_of(name: str) -> Backend:
    """Return the class of a device's kind, by the device's name.

    Raises:
        SettingError: no such kind.
    """
    kind = kind_of(name)
    if kind not in DEVICE_KINDS:
        raise SettingError(f"no device {name!r}; there are {' and '.join(DEVICE_KINDS)}")
    backend: Backend = import_module(f"harness.measure.devices.{kind}").BACKEND
    return backend


def kind_of(name: str) -> str:
    """Return the kind of a device, such as "xpu" of "xpu:1"."""
    return name.partition(":")[0]


def device_of(name: str) -> Device | None:
    """Return the device that torch's name stands for; without a number it is the kind's current one.

    None for a CPU, and for what is not in the registry: their work is done when a call returns.
    """
    if kind_of(name) not in DEVICE_KINDS:
        return None
    number = name.partition(":")[2]
    return backend_of(name).device(int(number) if number else None)


def device_in_use() -> Device | None:
    """Return the current device of the first kind on which torch may have queued work."""
    for kind in DEVICE_KINDS:
        backend = backend_of(kind)
        if backend.is_in_use():
            return backend.device(None)
    return None


def check_device(name: str) -> None:
    """Check that a device can be used here.

    Raises:
        SettingError: it cannot; the sentence names what would have worked.
    """
    kind, _, number = name.partition(":")
    if kind == HOST != name:
        raise SettingError(f"no device {name!r}; there are {' and '.join(DEVICE_KINDS)}")
    backend = backend_of(name)
    count = backend.count()
    if not count:
        raise SettingError(
            f"device {name!r} was asked for, but this torch sees no {backend.title} device; {HOST} works"
        )
    if name != kind and not (number.isdecimal() and int(number) < count):
        raise SettingError(f"no device {name!r}; there are {count} {backend.title} devices, from 0")


def prepare(name: str) -> None:
    """Let libraries take what they take once and keep, before anything else runs on a device."""
    device = device_of(name)
    if device is not None:
        _ = device.workspace_bytes


def out_of_memory_errors() -> tuple[type[BaseException], ...]:
    """Return what is raised where a device's memory is asked for in vain, of all kinds."""
    return tuple(error for kind in DEVICE_KINDS for error in backend_of(kind).out_of_memory)
