"""The campaign against containers: every container is hit by every blow, and its table says so."""

from pathlib import Path

import pytest

from tests.chaos import report
from tests.chaos.against_containers import BLOWS, FULL, SENDING, URGENT, Order, Struck
from tests.chaos.containers import command, table

SERVICES = ["redis", "gateway", URGENT]


def struck(order: Order) -> list[tuple[str, str]]:
    return [(service, blow.name) for service, blow in order.carried_out_on(SERVICES)]


def test_every_container_is_hit_by_every_blow_and_the_disk_of_redis_fills() -> None:
    found = struck(Order())
    assert set(found) == {(name, blow.name) for name in SERVICES for blow in BLOWS} | {
        ("redis", FULL.name),
        (URGENT, SENDING.name),
    }
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order(services=("gateway",), blows=("paused",)), [("gateway", "paused for 45 s")]),
        (Order(services=("gateway",), blows=("stopped",)), [("gateway", "stopped, started")]),
        (Order(blows=("disk",)), [("redis", FULL.name)]),
        (Order(services=("gateway",), blows=("disk",)), []),
        (Order(blows=("disk",), engine="true"), [("redis", FULL.name), ("redis", "engine restarted")]),
    ],
    ids=[
        "named",
        "by its first word",
        "the disk",
        "the disk of none that has one",
        "the engine, where it is asked for",
    ],
)
def test_only_what_is_named_is_hit(order: Order, expected: list[tuple[str, str]]) -> None:
    assert struck(order) == expected


def test_a_blow_is_a_row_of_seconds() -> None:
    one = Struck("gateway", "paused for 45 s", 2.04, 0.31, 45.2, {"HTTP": 45.6, "Redis": 0.2})
    *_, row = table([one]).splitlines()
    assert row == "| gateway | paused for 45 s | 0.3 | 2.0 | 45.2 | 45.6 | 0.2 |"


def test_the_command_is_the_one_that_was_given() -> None:
    given = {"CHAOS_COPIES": "1", "CHAOS_WRITE": "somewhere", "HOME": "/root"}
    assert command(given, "make chaos-containers") == "CHAOS_COPIES=1 make chaos-containers"


def test_a_part_of_the_document_is_written_anew_and_the_rest_stays(tmp_path: Path) -> None:
    document = tmp_path / "containers.md"
    document.write_text("# Head\n<!-- a -->\nold\n<!-- end of a -->\nbetween\n<!-- b -->\n<!-- end of b -->\nend\n")
    report.rewrite(document, "a", "new\n")
    report.rewrite(document, "b", "other\n")
    assert document.read_text() == (
        "# Head\n<!-- a -->\nnew\n<!-- end of a -->\nbetween\n<!-- b -->\nother\n<!-- end of b -->\nend\n"
    )


def test_a_document_without_the_part_is_not_touched(tmp_path: Path) -> None:
    document = tmp_path / "containers.md"
    document.write_text("# Head\n")
    with pytest.raises(ValueError, match="no part a"):
        report.rewrite(document, "a", "new\n")
    assert document.read_text() == "# Head\n"
