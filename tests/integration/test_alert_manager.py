"""An alert manager that escalates, with real workers: reached late, it is reported to; meanwhile somebody is paged."""

from pathlib import Path

import pytest
import yaml

from tests.support.alert_manager import AlertManager
from tests.support.hospital import Hospital, crs2, eventually
from tests.support.servers import free_port

pytestmark = pytest.mark.server


def configure(hospital: Hospital, port: int) -> None:
    """The haematologist on call is reached by the manager alone, which escalates."""
    path = Path(hospital.settings.config_dir or "") / "site.yaml"
    site = yaml.safe_load(path.read_text(encoding="utf-8"))
    site["channels"]["phone-1"] |= {"url": f"pcd04://127.0.0.1:{port}?own_facility=HOSPITAL", "escalates": "manager"}
    for urgency in ("critical", "high", "medium"):
        site["ladders"][urgency] = {"steps": [{"after": "0 s", "notify": ["on_call"]}]}
    path.write_text(yaml.safe_dump(site), encoding="utf-8")


def test_a_manager_that_cannot_be_reached_leaves_nobody_unpaged(hospital: Hospital) -> None:
    port = free_port()
    configure(hospital, port)
    hospital.settings = hospital.settings.model_copy(update={"heartbeat_every": 5.0})
    with hospital.workers():
        hospital.client.send(crs2("bed 3"))
        eventually(
            lambda: any(page.path == "/phone-3" and "bed 3" in page.title for page in hospital.phone.received),
            "the last resort is paged",
        )
        with AlertManager(port=port) as manager:
            eventually(lambda: manager.reports, "the manager has the report")
            start = manager.reports[0]
            assert (start.phase, start.patient, start.priority) == ("start", "bed 3", "PH")
            eventually(lambda: "active" in manager.kept_alive, "it hears that cartwatch runs", within=90)
            hospital.is_idle_soon()
            closure = {"type": "closure", "id": "c1", "source": "gateway", "patient": "bed 3", "by": "consultant-1"}
            state = hospital.store.state("bed 3")
            assert state is not None
            episode = state.episodes["crs"]
            closure |= {"episode": episode.id, "effective": episode.opened_at.isoformat(), "why": "infection"}
            hospital.client.send([closure])
            eventually(
                lambda: [one.phase for one in manager.reports if one.alert == start.alert][-1] == "end", "its end"
            )
    phases = [one.phase for one in manager.reports if one.alert == start.alert]
    assert (phases[0], phases[-1], phases.count("start"), phases.count("end")) == ("start", "end", 1, 1)
