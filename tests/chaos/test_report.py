"""The table of a campaign, and how it is run once more."""

from collections import Counter

from tests.chaos import report
from tests.chaos.campaign import Plan, Result
from tests.chaos.checker import Verdict

PLAN = Plan(seconds=1320.0, kills=200, messages=100_000, seed=7)
RESULT = Result(
    Verdict(accepted=99, owed=4, received=8, duplicates=2, delays=[1.0, 2.0, 9.0], faults={"pages lost": ["P1"]}),
    Counter({"store": 3, "phone hangs": 2}),
    starts=5,
    sent_again=1,
    settled=False,
)


def test_the_document_says_how_it_came_about_and_what_was_found() -> None:
    said = report.document([("cartwatch", PLAN, RESULT)], "Redis 7", 2)
    again = "CHAOS_SECONDS=1320 CHAOS_KILLS=200 CHAOS_MESSAGES=100000 CHAOS_SEED=7 CHAOS_AT_ONCE=2 make chaos"
    assert f"`{again}`" in said
    for row in (
        "| length | 0:22:00 |",
        "| processes killed with SIGKILL | 3 |",
        "| other blows | 2 |",
        "| received more than once, per 1 000 | 250.00 |",
        "| accepted to received, median | 2.00 s |",
        "| accepted to received, longest | 9.00 s |",
        "| came to rest | NO |",
        "| pages lost | 1 |",
        "| phone hangs | 2 |",
    ):
        assert row in said.splitlines()
