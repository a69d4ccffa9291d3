"""Settings come from where the operator put them, hold no surprise in production and show no secret."""

import base64
from pathlib import Path

import pytest
from pydantic import ValidationError

from cli.errors import settings_fault
from settings import RUNNING_STACK_FILE, OwnSettings, SecretKeys, Settings


def key(byte: int) -> str:
    return base64.b64encode(bytes([byte]) * 32).decode()


SAFE = {
    "LAUREL_ENV": "production",
    "LAUREL_PUBLIC_URL": "https://laurel.example",
    "LAUREL_SECRET_KEYS": f"k1:{key(1)}",
    "LEDGER_SIGNING_KEYS": f"s1:{key(3)}",
    "DATABASE_URL": "postgresql://laurel_app:hunter2@db.example/laurel",
    "REDIS_URL": "redis://cache.example:6379/0",
    "TEMPORAL_ADDRESS": "temporal.example:7233",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment in which nothing of ours is set, beside an empty state directory."""
    monkeypatch.setenv("LAUREL_STATE_DIR", str(tmp_path))
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    return monkeypatch


def test_everything_has_a_default_for_development(environment: pytest.MonkeyPatch) -> None:
    settings = Settings()

    assert settings.laurel_env == "development"
    assert settings.listen_url == settings.owner_url == settings.database_url
    assert all(settings.embedded(name) for name in ("database_url", "redis_url", "temporal_address"))


def test_the_environment_wins_over_the_file_which_wins_over_the_running_stack(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / RUNNING_STACK_FILE).write_text("LAUREL_PORT='1'\nREDIS_URL='redis://a'\nTEMPORAL_ADDRESS='a:1'\n")
    (tmp_path / ".env").write_text("LAUREL_PORT=2\nREDIS_URL=redis://b\n")
    environment.setenv("LAUREL_PORT", "3")

    settings = Settings()

    assert (settings.laurel_port, settings.redis_url, settings.temporal_address) == (3, "redis://b", "a:1")


def test_what_a_stack_wrote_is_not_the_operators_own(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / RUNNING_STACK_FILE).write_text("REDIS_URL='redis://a'\n")

    assert not Settings().embedded("redis_url")
    assert OwnSettings().embedded("redis_url")


def test_a_secret_may_come_from_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://db.example/laurel\n")
    environment.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))

    assert Settings().database_url == "postgresql://db.example/laurel"


def test_a_secret_and_its_file_together_are_refused(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://db.example/laurel")
    environment.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
    environment.setenv("DATABASE_URL", "postgresql://other.example/laurel")

    with pytest.raises(ValueError, match="DATABASE_URL and DATABASE_URL_FILE are both set"):
        Settings()


def test_a_file_that_cannot_be_read_is_named(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("REDIS_URL_FILE", str(tmp_path / "absent"))

    with pytest.raises(ValueError, match=r"REDIS_URL_FILE: cannot read .*absent"):
        Settings()


def test_the_first_key_encrypts_and_all_decrypt() -> None:
    keys = SecretKeys.parse(f"new:{key(2)}, old:{key(1)}")

    assert keys.current_id == "new"
    assert keys.current == bytes([2]) * 32
    assert dict(keys) == {"new": bytes([2]) * 32, "old": bytes([1]) * 32}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "at least one"),
        ("k1", "id:base64"),
        (f"k1:{key(1)},k1:{key(2)}", "'k1' is given twice"),
        ("k1:!!", "'k1' is not base64"),
        (f"k1:{base64.b64encode(b'short').decode()}", "'k1' has 5 bytes"),
    ],
)
def test_a_malformed_key_is_refused_by_its_name(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        SecretKeys.parse(text)


def test_production_with_everything_set_is_accepted(environment: pytest.MonkeyPatch) -> None:
    for name, value in SAFE.items():
        environment.setenv(name, value)

    assert Settings().laurel_env == "production"


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("LAUREL_SECRET_KEYS", "", "LAUREL_SECRET_KEYS must be set"),
        ("LEDGER_SIGNING_KEYS", "", "LEDGER_SIGNING_KEYS must be set"),
        ("LAUREL_PUBLIC_URL", "http://laurel.example", "LAUREL_PUBLIC_URL must be an https URL"),
        ("DATABASE_URL", "", "DATABASE_URL must name a real server"),
        ("REDIS_URL", "", "REDIS_URL must name a real server"),
        ("TEMPORAL_ADDRESS", "", "TEMPORAL_ADDRESS must name a real server"),
    ],
)
def test_production_refuses_what_is_only_good_for_development(
    environment: pytest.MonkeyPatch, name: str, value: str, fault: str
) -> None:
    for safe_name, safe_value in {**SAFE, name: value}.items():
        environment.setenv(safe_name, safe_value)

    with pytest.raises(ValidationError, match=fault):
        Settings()


def test_production_refuses_the_embedded_stack(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / RUNNING_STACK_FILE).touch()
    for name, value in SAFE.items():
        environment.setenv(name, value)

    with pytest.raises(ValidationError, match="belongs to `laurel up`"):
        Settings()


def test_no_repr_and_no_fault_shows_a_secret(environment: pytest.MonkeyPatch) -> None:
    for name, value in SAFE.items():
        environment.setenv(name, value)
    environment.setenv("LAUREL_OPERATOR_TOKEN", "operator-secret")

    shown = repr(Settings())
    environment.setenv("LAUREL_PORT", "none")
    with pytest.raises(ValidationError) as caught:
        Settings()
    shown += str(caught.value) + settings_fault(caught.value)

    assert "LAUREL_PORT: " in shown
    for secret in ("hunter2", key(1), key(3), "operator-secret", repr(bytes([1]) * 32)):
        assert secret not in shown
