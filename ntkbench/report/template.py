"""Render HTML pages from templates, with every expression escaped."""

from __future__ import annotations

from typing import Any

from .escape import visible


def render(template: str, **values: Any) -> str:
    """Return a page. Autoescaping is on for every file name, and control characters are made visible."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ntkbench", "report/templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)
