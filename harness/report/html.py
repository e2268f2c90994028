"""Pages from templates: one environment for all, in which text is escaped and nothing undefined is shown."""

from collections.abc import Mapping

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.report.inert import printable

_BASE = "harness.report"  # the package with the base template, which every page extends


def render(template: str, values: Mapping[str, object], package: str = _BASE) -> str:
    """Return a template with its values as a page that fetches nothing.

    Args:
        template: name of the file.
        values: by the names that the template uses.
        package: whose `templates` folder holds it.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(_BASE)]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def _shown(value: object) -> object:
    if isinstance(value, Markup):
        return Markup(printable(value))  # noqa: S704 (it was markup before)
    return printable(value) if isinstance(value, str) else value
