"""Settings from the environment and from files that hold passwords."""

from pathlib import Path

import pytest

from config.settings import Settings


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of passwords, and nothing else in the environment."""
    for name in ("CARTWATCH_REDIS_URL", "CARTWATCH_BROKER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CARTWATCH_SECRETS_DIR", str(tmp_path))
    (tmp_path / "cartwatch_redis_password").write_text("a/b@c\n", encoding="utf-8")
    return tmp_path


@pytest.mark.usefixtures("secrets")
def test_the_password_of_the_store_comes_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings().redis_url == "redis://:a%2Fb%40c@127.0.0.1:6379/0"
    monkeypatch.setenv("CARTWATCH_REDIS_URL", "rediss://redis:6390/3")
    assert Settings().redis_url == "rediss://:a%2Fb%40c@redis:6390/3"
    assert Settings().broker == "rediss://:a%2Fb%40c@redis:6390/4"


@pytest.mark.usefixtures("secrets")
def test_a_password_in_the_url_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTWATCH_REDIS_URL", "redis://:own@redis:6379/0")
    assert Settings().redis_url == "redis://:own@redis:6379/0"


def test_any_setting_may_be_a_file_and_the_environment_comes_before_it(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secrets / "cartwatch_fhir_system").write_text("of the file\n", encoding="utf-8")
    assert Settings().fhir_system == "of the file"
    monkeypatch.setenv("CARTWATCH_FHIR_SYSTEM", "of the environment")
    assert Settings().fhir_system == "of the environment"


@pytest.mark.usefixtures("secrets")
def test_another_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings()
    for name, value in settings.as_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CARTWATCH_SECRETS_DIR")
    assert Settings() == settings


@pytest.mark.usefixtures("secrets")
def test_no_password_is_printed() -> None:
    shown = repr(Settings())
    assert "a/b" not in shown
    assert "a%2Fb" not in shown
