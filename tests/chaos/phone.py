"""The phone: a receiver in a process of its own. `python -m tests.chaos.phone LOG HOST PORT`.

It writes each page it took to LOG, one JSON line each. On standard input it reads how a path is to answer from now
on; when that ends, so does the phone.
"""

import json
import sys
import time
from pathlib import Path
from typing import TextIO

from worker.standalone.fake_phone import FakePhone, ReceivedPage


class Log:
    """What the phone took, as it comes."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, page: ReceivedPage) -> None:
        """One page. It stands in the file before the sender hears that it was taken."""
        body = {"at": time.time(), "path": page.path, "id": page.page_id, "title": page.title}
        self._file.write(json.dumps(body) + "\n")
        self._file.flush()


def main() -> None:
    """Take pages until standard input ends."""
    log, host, port = sys.argv[1:]
    with Path(log).open("a", encoding="utf-8") as file, FakePhone(Log(file).write, int(port), host) as phone:
        sys.stdout.write(f"{phone.url}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            answer = json.loads(line)
            phone.behave(answer["path"], status=answer["status"], delay=answer["delay"], drop=answer["drop"])


if __name__ == "__main__":
    main()
