"""Conformance tests for plugin authors: numbered checks as pytest classes, and `check` for use without pytest.

In a test file::

    from ntkbench.testing import ArchitectureChecks

    class TestGlu(ArchitectureChecks):
        architecture = "glu"

pytest collects the subclass but not the base class, whose name does not begin with "Test". In a notebook::

    nb.testing.check("glu")

`check` accepts everything that is registered, by a package or by `@nb.architecture` and `@nb.measurement`, and
"FILE.py:FUNCTION".
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .architectures import ArchitectureChecks as ArchitectureChecks
    from .checks import CheckFailure as CheckFailure, Finding as Finding
    from .datasets import DatasetChecks as DatasetChecks
    from .kernels import KernelChecks as KernelChecks
    from .layer_rules import LayerRuleChecks as LayerRuleChecks
    from .measurements import MeasurementChecks as MeasurementChecks
    from .subjects import check as check
    from .suites import SuiteChecks as SuiteChecks

_HOME = {
    "ArchitectureChecks": "architectures",
    "CheckFailure": "checks",
    "DatasetChecks": "datasets",
    "Finding": "checks",
    "KernelChecks": "kernels",
    "LayerRuleChecks": "layer_rules",
    "MeasurementChecks": "measurements",
    "SuiteChecks": "suites",
    "check": "subjects",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
