"""`cartwatch grade` in a pipe: each line is answered when it comes, and standard output holds only answers."""

import json
import subprocess

from tests.support.hospital import CARTWATCH, cartwatch, crs2, iso
from tests.support.stored_ward import NOW


def case(number: int) -> str:
    return json.dumps({"id": number, "at": iso(NOW), "messages": crs2(f"P{number}", NOW)})


def test_each_line_is_answered_before_the_next_is_written() -> None:
    command = [*CARTWATCH, "grade", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(3):
            process.stdin.write(case(number) + "\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            assert (answer["id"], answer["results"]["crs"]["grade"]) == (number, 2)
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_bad_line_in_the_pipe_is_named_on_standard_error_and_the_others_are_answered() -> None:
    said = cartwatch("grade", given="\n".join([case(1), "{", case(2)]))
    assert said.returncode == 2
    assert [json.loads(line)["id"] for line in said.stdout.splitlines()] == [1, 2]
    assert said.stderr.startswith("line 2: not JSON")


def test_a_reader_that_goes_away_ends_it_without_a_traceback() -> None:
    command = [*CARTWATCH, "grade"]
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdin is not None
        process.stdout.close()
        process.stdin.write(case(1) + "\n")
        process.stdin.close()
        assert process.wait(30) != 0
        assert "Traceback" not in process.stderr.read()
