"""A folder for the audit, and a service that keeps one."""

from pathlib import Path

import pytest
from redis import Redis

from config.settings import Settings
from tests.support.stored_ward import KEYS, SITE, Clock
from worker.audit.folder import AuditFolder
from worker.runtime.runtime import Runtime
from worker.store.shard import Store


@pytest.fixture
def folder(tmp_path: Path) -> AuditFolder:
    return AuditFolder(tmp_path / "audit")


@pytest.fixture
def audited(redis: Redis, clock: Clock, folder: AuditFolder) -> Runtime:
    """A service whose journals are kept until the audit has them."""
    store = Store(redis, KEYS, batch=500, lease_seconds=5, journal_length=3, audited=True)
    settings = Settings(audit_dir=folder.path, namespace=KEYS.namespace, shards=KEYS.shards)
    return Runtime(settings, SITE, store, clock)
