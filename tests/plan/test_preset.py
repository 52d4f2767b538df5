"""Presets, and which widths an architecture gets."""

from __future__ import annotations

import pytest

from ntkbench.plan.preset import PRESETS, preset


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_reads(name):
    sizes = preset(name)
    assert sizes.seeds >= 3
    assert list(sizes.widths) == sorted(set(sizes.widths))


def test_own_widths_replace_the_presets():
    own = {"standard": (16, 32)}
    assert preset("quick").widths_for(own) == (32, 80, 208, 512)
    assert preset("zoo").widths_for(own) == preset("zoo").widths
    assert preset("standard").widths_for(own) == (16, 32)
    assert preset("full").widths_for(own) == (16, 32)
    assert preset("full").widths_for({}) == preset("full").widths
