"""A phone beside the containers, of the standard library only: a receiver of pages, and the form that answers a link.

usage: phone.py           print each page that is posted to port 9101 as a JSON line
       phone.py --form    read a page of the gateway; print where *I have it* posts to, and the fields of that form
"""

import sys
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

PORT = 9101


class Phone(BaseHTTPRequestHandler):
    """Accepts whatever is posted."""

    def do_POST(self) -> None:
        """Print the body, which Apprise's `json://` writes as one line."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(body.decode(), flush=True)  # noqa: T201
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Print only pages."""


class Form(HTMLParser):
    """The first form whose action ends with `have-it`."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An opening tag, or an input."""
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.action and values.get("action", "").endswith("/have-it"):
            self.action, self._inside = values["action"], True
        elif tag == "input" and self._inside:
            self.fields[values["name"]] = values["value"]

    def handle_endtag(self, tag: str) -> None:
        """A closing tag."""
        self._inside &= tag != "form"


def main() -> None:
    """Be one of the two."""
    if sys.argv[1:] == ["--form"]:
        form = Form()
        form.feed(sys.stdin.read())
        if not form.action:
            sys.exit("the page has no form to answer it")
        print(form.action, urlencode(form.fields), sep="\n")  # noqa: T201
        return
    with ThreadingHTTPServer(("", PORT), Phone) as server:
        print("listening", flush=True)  # noqa: T201
        server.serve_forever()


if __name__ == "__main__":
    main()
