"""Text from outside is inert in every output."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given, strategies as st

from ntkbench.report import escape

HOSTILE = [
    "\x1b[31mred\x1b]0;title\x07",
    "a\u202egnp.exe",
    "a|b`c`*d*[x](http://e.org)<script>alert(1)</script>",
    "\\write18{rm} $x$ 50% #1 a_b^c~d {e} <&>",
    "=HYPERLINK(1)",
    "line\nfeed\rand\ttab\x00",
    "zero\u200bwidth\ufeff",
    "{{template}} [[link]] ||",
]


@given(st.text() | st.sampled_from(HOSTILE))
def test_everything_is_visible(text):
    shown = escape.visible(text)
    assert shown.isprintable() and escape.visible(shown) == shown
    shown.encode()


def test_ordinary_names_stay_as_they_are():
    for name in ("fc", "fc:depth=3", "my_net.py:build", "fc_softplus-output", "größe", "net v2.1"):
        assert escape.visible(name) == escape.markdown(name) == escape.html(name) == escape.spreadsheet(name) == name


@pytest.mark.parametrize("text", HOSTILE)
def test_html_and_markdown_have_no_tags(text):
    for clean in (escape.html, escape.markdown, escape.wiki):
        assert not re.search(r"<|>", clean(text))
    assert not re.search(r"(?<!\\)[|`*\[\]]", escape.markdown(text))
    assert not re.search(r"[|\[\]{}]", escape.wiki(text))


def test_latex_specials():
    assert escape.latex(r"a_b \x{y} 5%") == r"a\_b \textbackslash{}x\{y\} 5\%"
    assert escape.latex("±½") == r"\ensuremath{\pm}1/2"


@given(st.text())
def test_no_cell_starts_a_formula_and_csv_reads_back(text):
    cell = escape.spreadsheet(text)
    assert cell.lstrip()[:1] not in ("=", "+", "-", "@")
    buffer = io.StringIO()
    csv.writer(buffer).writerow([cell, "next"])
    assert next(csv.reader(io.StringIO(buffer.getvalue(), newline=""))) == [cell, "next"]
