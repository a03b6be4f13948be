"""A Celery worker whose pages go to many channels: the pages about a bed to one of them, as on a ward of many doctors.

The shipped rota notifies everybody of a role, and one page for each reading is wanted.
"""

import sys
from zlib import crc32

from celery.bin.celery import celery
from msgspec.structs import replace

from alerts.pages.page import Page
from config.site import Site
from worker.processing import advance
from worker.store.codec import Owed

CHANNELS = 20

owing = advance.owing


def spread(page: Page, site: Site) -> Owed:
    """The page, owed to the channel of its bed."""
    number = crc32(page.patient.encode()) % CHANNELS
    return owing(replace(page, channel=f"on-call-{number}"), site)


if __name__ == "__main__":
    advance.owing = spread  # type: ignore[attr-defined]
    sys.argv[0] = "celery"
    celery(sys.argv[1:], prog_name="celery")
