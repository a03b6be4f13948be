"""Names of keys: one shard a patient, one prefix a shard."""

import re
from zlib import crc32

from worker.store import keys as module
from worker.store.keys import Keys, Shard

KEYS = Keys("cartwatch", 16)
PATIENTS = [f"P{number}" for number in range(2000)]


def test_a_patient_stands_where_the_documentation_has_other_languages_append() -> None:
    assert KEYS.of("P1").inbox == f"cartwatch:{crc32(b'P1') % 16:02d}:inbox"


def test_the_shard_of_a_patient_is_the_same_in_every_process_and_version() -> None:
    assert [KEYS.of(patient).number for patient in ("P1", "REF-1", "~site", "Müller", "患者")] == [1, 14, 11, 5, 9]


def test_patients_are_spread_over_all_shards() -> None:
    counts = [sum(KEYS.of(patient).number == number for patient in PATIENTS) for number in range(16)]
    assert min(counts) > len(PATIENTS) / 16 / 2


def named_keys() -> list[str]:
    """Every key the module's documentation lists."""
    return re.findall(r"^(\w+)(?::ID)? +(?:stream|hash|zset|string)", module.__doc__ or "", re.MULTILINE)


def test_the_documentation_lists_the_keys() -> None:
    assert {"inbox", "states", "timers", "outbox", "lease", "wakeup_pending"} <= set(named_keys())


def test_two_shards_never_share_a_key() -> None:
    shards = Keys("ward", 1024).all()
    assert len({shard.inbox for shard in shards}) == 1024


def test_two_installations_never_share_a_key() -> None:
    assert Keys("one", 16).of("P1").inbox != Keys("other", 16).of("P1").inbox


def test_all_names_every_shard_once_in_order() -> None:
    assert [shard.number for shard in Keys("ward", 5).all()] == [0, 1, 2, 3, 4]


def test_the_common_keys_are_spelt_like_the_others() -> None:
    shard = Shard(7, "ward:07:")
    assert (shard.inbox, shard.lease, shard.wakeup_pending) == (
        shard.key("inbox"),
        shard.key("lease"),
        shard.key("wakeup_pending"),
    )
