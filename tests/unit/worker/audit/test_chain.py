"""A record that was changed is not whole, and the verification names the place."""

from collections.abc import Callable

import pytest

from tests.support.stored_ward import NOW
from worker.audit.chain import verify
from worker.audit.folder import AuditFolder

Lines = list[bytes]


def record(folder: AuditFolder) -> Lines:
    with folder.locked(NOW):
        folder.begin_if_due(NOW)
        for number in range(6):
            folder.append(NOW, "batch", {"patient": f"P{number % 2}", "number": number}, f"0 {number}-1")
        folder.flush()
    return [line for _, _, line in folder.lines()]


def verified(lines: Lines) -> list[tuple[int, str]]:
    return [(fault.line, fault.what) for fault in verify(("f", n, line) for n, line in enumerate(lines, 1)).faults]


def changed(lines: Lines) -> Lines:
    return [line.replace(b'"number":2', b'"number":9') for line in lines]


def removed(lines: Lines) -> Lines:
    return [*lines[:3], *lines[4:]]


def exchanged(lines: Lines) -> Lines:
    return [*lines[:3], lines[4], lines[3], *lines[5:]]


def redated(lines: Lines) -> Lines:
    return [*lines[:3], lines[3].replace(b"2024-06-14", b"2024-06-15"), *lines[4:]]


def beheaded(lines: Lines) -> Lines:
    return lines[2:]


def damaged(lines: Lines) -> Lines:
    return [*lines[:3], b"{}\n", *lines[4:]]


def test_what_nobody_touched_is_whole(folder: AuditFolder) -> None:
    lines = record(folder)
    assert verified(lines) == []
    assert verify(("f", n, line) for n, line in enumerate(lines, 1)).last == 7


@pytest.mark.parametrize(
    ("change", "line"),
    [(changed, 4), (removed, 4), (exchanged, 4), (redated, 5), (beheaded, 0), (damaged, 4)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_change_is_found_where_it_is(folder: AuditFolder, change: Callable[[Lines], Lines], line: int) -> None:
    assert verified(change(record(folder)))[0][0] == line


def test_erased_content_leaves_the_chain_whole_and_nothing_of_itself(folder: AuditFolder) -> None:
    record(folder)
    with folder.locked(NOW):
        numbers = folder.erase(lambda line: (line.body or {}).get("patient") == "P1", (b'"P1"',))
        folder.append(NOW, "erased", {"records": numbers})
        folder.flush()
    result = verify(folder.lines())
    assert (result.faults, result.erased, numbers) == ([], 3, [3, 5, 7])
    assert all(b"P1" not in file.path.read_bytes() for file in folder.files())
    assert [line.body["number"] for line in folder.found() if line.link.kind == "batch" and line.body] == [0, 2, 4]
