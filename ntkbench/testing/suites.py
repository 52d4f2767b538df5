"""The checks of a registered suite."""

from __future__ import annotations

from ..plan.suite import Suite, load_suite, plans
from ..registry.current import registry
from ..runner.suite import load_function
from .checks import Checks, numbered, require


class SuiteChecks(Checks):
    """Checks S1 to S3 of one suite; nothing is measured. Subclass it in a test file.

    Attributes:
        suite: Registered name of the suite.
    """

    suite: str = ""

    def loaded(self) -> Suite:
        """Return the suite, loaded once."""
        return self.shared("loaded", lambda: load_suite(self.suite, registry()))

    @numbered("S1", stops=True)
    def test_s01_is_registered(self) -> None:
        """Its name is known, it has a summary, and it returns claims or the options of a run."""
        require(self.suite, f'{type(self).__name__} names no suite; set suite = "NAME".')
        entry = registry().get("suites", self.suite)
        require(entry.summary, f"{entry.name!r} has no summary.")
        self.loaded()

    @numbered("S2")
    def test_s02_can_be_planned(self) -> None:
        """Everything that it names is there, and something is measured or checked."""
        planned = plans(self.loaded(), registry())
        cells = sum(len(plan.cells) for plan, _ in planned)
        checks = sum(bool(claim.check) for claim in self.loaded().claims)
        require(cells or checks, "It plans no cell and checks nothing. Name architectures that the dataset can feed.")

    @numbered("S3")
    def test_s03_its_functions_can_be_loaded(self) -> None:
        """The functions that it names as checks and curves are there."""
        suite = self.loaded()
        for claim in suite.claims:
            if claim.check:
                load_function(claim.check, f"The check {claim.check!r} of claim {claim.id!r}")
        if suite.curves:
            load_function(suite.curves, f"The curves {suite.curves!r}")
