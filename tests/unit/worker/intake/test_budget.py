"""The budget of one message: its time, its results, and what is said where it runs out."""

import pytest

from tests.support.work import Clock
from worker.intake.budget import Budget, OverBudget


def test_within_its_budget_work_goes_on() -> None:
    assert list(Budget(seconds=10, timer=Clock()).during(range(500))) == list(range(500))


def test_time_is_looked_at_before_each_64th_item() -> None:
    done: list[int] = []
    with pytest.raises(OverBudget, match=r"reading takes longer than 2 s; send it in parts"):
        done.extend(Budget(seconds=2, timer=Clock()).during(range(1000)))
    assert done == list(range(128))


def test_results_are_bounded_together() -> None:
    budget = Budget(results=10)
    budget.spend(6)
    budget.spend(4)
    with pytest.raises(OverBudget, match=r"more than 10 results; send it in parts"):
        budget.spend(1)


def test_a_busy_machine_refuses_nobody() -> None:
    """The timer is the processor time of this thread, which does not pass while others work."""
    budget = Budget(seconds=5)
    assert budget._timer.__name__ == "thread_time"
