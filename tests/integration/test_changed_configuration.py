"""A changed configuration with real workers: the first page after the change goes where it says."""

import time
from pathlib import Path

import pytest
import yaml

from tests.support.hospital import Hospital, crs2, eventually, impatient
from worker.runtime.reload import SETTLED_SECONDS, fingerprint
from worker.standalone.service import DELIVERS
from worker.standalone.supervisor import Supervised, worker_command

pytestmark = pytest.mark.server

OLD, NEW = "/phone-1", "/new-number"


def change(folder: Path, **channels: str) -> None:
    """Give channels other addresses, and the haematologist those that are new, as an editor saves."""
    site = yaml.safe_load((folder / "site.yaml").read_text(encoding="utf-8"))
    for name, path in channels.items():
        name = name.replace("_", "-")
        site["channels"][name] = {**site["channels"]["phone-1"], "url": f"{{receiver}}{path}?+X-Page-Id={{page_id}}"}
    site["people"]["haematologist-1"]["channels"] = [name.replace("_", "-") for name in channels]
    (folder / "site.yaml.new").write_text(yaml.safe_dump(site), encoding="utf-8")
    (folder / "site.yaml.new").rename(folder / "site.yaml")


def settled(folder: Path) -> bool:
    """Whether the files are old enough to be read: what the first task then has to do."""
    ages = [stamp.age(time.time()) for stamp in fingerprint(folder).values()]
    return all(age is not None and age > SETTLED_SECONDS for age in ages)


def addresses(hospital: Hospital, place: str) -> set[str]:
    """Where pages of CRS about patients at a place went."""
    return {page.path for page in hospital.phone.received if "CRS" in page.title and place in page.title}


def technical(hospital: Hospital) -> list[str]:
    return [page.title for page in hospital.phone.received if page.path == "/phone-4"]


def test_the_first_page_after_a_change_uses_it(hospital: Hospital) -> None:
    """In every process: each of them has paged by the old configuration, and has idled since."""
    folder = hospital.settings.config_dir
    assert folder is not None
    with hospital.workers(processes=2):
        before = [f"before {number}" for number in range(8)]
        hospital.client.send([message for patient in before for message in crs2(patient)])
        eventually(lambda: all(hospital.paged("CRS 2", patient) for patient in before), "the old one pages")
        assert addresses(hospital, "before") == {OLD}
        hospital.is_idle_soon()
        change(folder, phone_1=NEW)
        eventually(lambda: settled(folder), "the file stands still")
        after = [f"after {number}" for number in range(8)]
        hospital.client.send([message for patient in after for message in crs2(patient)])
        eventually(lambda: all(hospital.paged("CRS 2", patient) for patient in after), "the new one pages")
        assert addresses(hospital, "after") == {NEW}
        change(folder, phone_9="/new-channel")
        eventually(lambda: settled(folder), "the file stands still")
        hospital.client.send(crs2("a new channel"))
        eventually(lambda: hospital.paged("CRS 2", "a new channel"), "the new channel is used")
        assert addresses(hospital, "a new channel") == {"/new-channel"}
    assert technical(hospital) == []


def test_a_machine_whose_files_are_older_leaves_the_page_to_one_that_has_the_newer(
    hospital: Hospital, folder: Path
) -> None:
    """Both deliver; one of them has not been brought up to date yet, and does not know one channel at all."""
    behind = hospital.settings.model_copy(update={"config_dir": impatient(folder / "behind")})
    newer = impatient(folder / "newer")
    change(newer, phone_1=NEW, phone_9="/new-channel")
    hospital.settings = hospital.settings.model_copy(update={"config_dir": newer})
    delivering = worker_command(list(DELIVERS), 2)
    patients = [f"moved {number}" for number in range(6)]
    with Supervised(delivering, behind.as_environment(), str(folder / "behind.log")), hospital.workers(processes=2):
        eventually(lambda: len(hospital.beats()) == 2, "both machines tick")
        hospital.client.send([message for patient in patients for message in crs2(patient)])
        eventually(lambda: all(hospital.paged("CRS 2", patient) for patient in patients), "all are paged")
        hospital.is_idle_soon()
    assert addresses(hospital, "moved") == {NEW}
    assert technical(hospital) == []
