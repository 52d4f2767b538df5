"""Checks of a registered suite."""

from __future__ import annotations

from ..errors import MissingData
from ..plan.suite import Suite, load_suite, plans
from ..registry.current import registry
from ..runner.suite import load_function
from .checks import Checks, numbered, require, skip


class SuiteChecks(Checks):
    """Checks S1 to S3 of one suite; nothing is measured. Subclass it in a test file.

    Attributes:
        suite: Registered name of the suite.
    """

    suite: str = ""

    def loaded(self) -> Suite:
        """Return the suite; it is loaded once."""
        return self.shared("loaded", lambda: load_suite(self.suite, registry()))

    @numbered("S1", stops=True)
    def test_s01_is_registered(self) -> None:
        """The name is registered, it has a summary, and it returns claims or the options of a run."""
        require(self.suite, f'{type(self).__name__} has no suite; set suite = "NAME".')
        entry = registry().get("suites", self.suite)
        require(entry.summary, f"{entry.name!r} has no summary; add one.")
        self.loaded()

    @numbered("S2")
    def test_s02_can_be_planned(self) -> None:
        """Everything that it names exists, and something is measured or checked."""
        try:
            planned = plans(self.loaded(), registry())
        except MissingData as error:
            skip(str(error))
        cells = sum(len(plan.cells) for plan, _ in planned)
        checks = sum(bool(claim.check) for claim in self.loaded().claims)
        require(cells or checks, "It plans no cells and no checks. Name architectures that accept the dataset.")

    @numbered("S3")
    def test_s03_its_functions_can_be_loaded(self) -> None:
        """The functions that it names as checks and curves exist."""
        suite = self.loaded()
        for claim in suite.claims:
            if claim.check:
                load_function(claim.check, f"The check {claim.check!r} of claim {claim.id!r}")
        if suite.curves:
            load_function(suite.curves, f"The curves {suite.curves!r}")
