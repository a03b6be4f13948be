"""An upgrade in place: a version whose stored data is newer takes over from workers that still run."""

from collections import Counter
from pathlib import Path

import pytest

from tests.support.hospital import Hospital, crs2, eventually
from worker.standalone.service import DELIVERS
from worker.standalone.supervisor import Supervised, worker_command
from worker.store import schema

pytestmark = pytest.mark.server

NEWER = schema.VERSION + 1

UPGRADED = f"import worker.store.schema\nworker.store.schema.VERSION = {NEWER}\n"


def test_a_newer_version_takes_over_while_messages_come_in(
    hospital: Hospital, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No message is lost and no page comes twice, though the old workers still run when the new one starts."""
    (folder / "sitecustomize.py").write_text(UPGRADED, encoding="utf-8")
    environment = hospital.settings.as_environment()
    path = ":".join((str(folder), str(Path(schema.__file__).parents[2])))
    new = Supervised(
        worker_command(["advance", "ingest", *DELIVERS], 1), {**environment, "PYTHONPATH": path}, str(hospital.log)
    )
    beds = [f"bed {number}" for number in range(60)]
    with hospital.workers(1) as old:
        for bed in beds[:20]:
            hospital.client.send(crs2(bed))
        with new:
            for bed in beds[20:]:
                hospital.client.send(crs2(bed))
            eventually(lambda: hospital.redis.get(hospital.store.keys.schema) == str(NEWER).encode(), "it is recorded")
            eventually(lambda: old.starts > 1, "the old worker ends")
            hospital.client.send(crs2("after"))
            eventually(lambda: hospital.paged("CRS", "after"), "the new worker pages")
            eventually(lambda: all(hospital.paged("CRS", bed) for bed in beds), "everybody is paged")
            hospital.is_idle_soon()
    assert set(Counter(page.page_id for page in hospital.phone.received).values()) == {1}
    monkeypatch.setattr(schema, "VERSION", NEWER)  # to read the journal that the new version wrote
    hospital.every_page_owed_has_arrived()
