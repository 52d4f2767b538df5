"""Escape untrusted text for each output format. All escaping is done here."""

from __future__ import annotations

import html as _html
import re

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "^": r"\^{}", "~": r"\textasciitilde{}", "<": r"\ensuremath{<}", ">": r"\ensuremath{>}",
}  # fmt: skip
_LATEX_SYMBOLS = {
    "✓": r"\ensuremath{\checkmark}", "✗": r"\ensuremath{\times}", "→": r"\ensuremath{\to}", "±": r"\ensuremath{\pm}",
    "¼": "1/4", "½": "1/2", "¾": "3/4", "…": r"\ldots{}", "–": "--", "‖": r"\ensuremath{\|}",
    "Δ": r"\ensuremath{\Delta}", "∇": r"\ensuremath{\nabla}", "²": r"\textsuperscript{2}",
    "·": r"\ensuremath{\cdot}", "√": r"\ensuremath{\sqrt{}}",
    "∞": r"\ensuremath{\infty}", "×": r"\ensuremath{\times}", "η": r"\ensuremath{\eta}", "λ": r"\ensuremath{\lambda}",
}  # fmt: skip


def visible(text: str) -> str:
    r"""Return `text` with all unprintable characters as escape sequences: \x1b, \u202e, \n.

    These are control characters, terminal escapes, bidirectional overrides and zero-width characters.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def markdown(text: str) -> str:
    """Escape text for a table cell in GitHub's Markdown, so that it creates no markup, link or column."""
    text = _html.escape(visible(text), quote=False)
    text = re.sub(r"[\\`*\[\]|~]", r"\\\g<0>", text)
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)
    return text.replace("://", "&#58;//").replace("www.", "www&#46;")


def html(text: str) -> str:
    """Escape text for HTML, including attribute values."""
    return _html.escape(visible(text), quote=True)


def latex(text: str) -> str:
    """Escape text for LaTeX."""
    return latex_symbols("".join(_LATEX.get(c, c) for c in visible(text)))


def latex_symbols(text: str) -> str:
    """Replace the symbols of our tables by LaTeX commands (✓ needs amssymb)."""
    return "".join(_LATEX_SYMBOLS.get(c, c) for c in text)


def wiki(text: str) -> str:
    """Escape the characters with a meaning in wiki markup and Org mode."""
    return re.sub(r"[&<>|\[\]{}*^~!\\]", lambda found: f"&#{ord(found[0])};", visible(text))


def rst(text: str) -> str:
    """Escape text for reStructuredText."""
    return re.sub(r"[\\*`|]|_(?!\w)", r"\\\g<0>", visible(text))


def spreadsheet(text: str) -> str:
    """Escape text that a spreadsheet would take for a formula (CSV injection). Line feeds are kept."""
    text = "\n".join(visible(line) for line in text.split("\n"))
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@") else text
