"""Claims as a table of at most 100 columns."""

from __future__ import annotations

import pytest

from ntkbench.analysis.claims import Judged
from ntkbench.plan.suite import Claim
from ntkbench.report.claims import claims_table


@pytest.mark.parametrize(("id", "status"), [("short", "own"), ("a-longer-name-of-20c", "unconfirmed")])
def test_what_is_claimed_takes_the_room_that_is_left(id, status):
    claim = Claim(
        id=id, says="words " * 30, source="own", status=status, law="value", check="m:f", expected=[-0.123, -0.0123]
    )
    text = claims_table("s", [Judged(claim, "undecided", -0.123, -0.456, -0.0123, 3)]).text()
    rows = text.split("\n\n")[1]
    assert 90 < max(map(len, rows.splitlines())) <= 100 or id == "short"
    assert max(map(len, text.splitlines())) <= 100
