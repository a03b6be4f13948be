"""The short form of the campaign: one of each kind of kill and most other blows, and nothing is lost."""

from pathlib import Path

import pytest

from tests.chaos import against_cartwatch, report
from tests.chaos.campaign import Plan
from tests.chaos.schedule import KILLS

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

PLAN = Plan(seconds=40, kills=len(KILLS), messages=1200, seed=4)
MOST_DUPLICATES_PER_1000 = 30
"""With so few pages three are as many; the long campaign measures it."""


@pytest.mark.usefixtures("redis_server")
def test_in_chaos_nothing_accepted_is_lost_and_every_page_owed_arrives(tmp_path: Path) -> None:
    result = against_cartwatch.run(PLAN, tmp_path)
    lost = report.examples([("cartwatch", PLAN, result)])
    assert result.settled, "it did not come to rest"
    assert not any(result.verdict.faults.values()), lost
    assert set(KILLS) <= set(result.blows)
    assert result.starts > len(KILLS) / 2, "what was killed was started again"
    assert result.verdict.duplicates_per_1000 <= MOST_DUPLICATES_PER_1000
