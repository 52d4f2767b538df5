"""The public names exist, and importing the package is cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ntkbench as nb


@pytest.mark.parametrize("name", nb.__all__)
def test_every_public_name_exists(name):
    assert getattr(nb, name) is not None
    assert name in dir(nb)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such"):
        _ = nb.no_such


def test_importing_is_cheap():
    code = "import sys, ntkbench; assert not {'numpy', 'click', 'keras', 'tensorflow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
