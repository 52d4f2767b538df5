"""Render HTML pages from templates, with every expression escaped."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from .escape import visible

if TYPE_CHECKING:
    import jinja2
    import markupsafe


def render(template: str, **values: Any) -> str:
    """Return a page. Autoescaping is on for every file name, and control characters are made visible."""
    return _environment().get_template(template).render(**values)


def from_markdown(text: str) -> markupsafe.Markup:
    """Return Markdown as HTML. HTML in it becomes text, and addresses that run scripts become no links."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    shown = "\n".join(map(visible, text.split("\n")))
    return Markup(MarkdownIt("commonmark", {"html": False}).enable("table").render(shown))


def script(*templates: str) -> markupsafe.Markup:
    """Return scripts of ours, which contain no values, as the text of one script element."""
    from markupsafe import Markup

    return Markup("\n".join(render(template) for template in templates))


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.PackageLoader("ntkbench", "report/templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
