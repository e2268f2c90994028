"""Every public name of the package, from its docstring."""

import inspect

import harness


def python_text() -> str:
    """Return the directives that show what `harness.__all__` names: functions first, then classes."""
    names = {name: getattr(harness, name) for name in harness.__all__}
    kinds = {name: _kind(value) for name, value in names.items()}
    ordered = sorted(names, key=lambda name: (kinds[name] != "autofunction", name.lower()))
    return "\n".join(_directive(name, kinds[name]) for name in ordered)


def _kind(value: object) -> str:
    if not inspect.isclass(value):
        return "autofunction"
    return "autoexception" if issubclass(value, Exception) else "autoclass"


def _directive(name: str, kind: str) -> str:
    members = "" if kind == "autofunction" else "   :members:\n"
    return f"## {name}\n\n```{{eval-rst}}\n.. {kind}:: harness.{name}\n{members}```\n"
