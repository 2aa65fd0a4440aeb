"""The environment and the command line decide before the first request; what has no meaning is refused by name."""

from pathlib import Path

import pytest

from errors import RequestError
from generation.settings import Settings


def test_environment_then_overrides():
    environ = {"INSTANTID_PROFILE": "sdxl", "INSTANTID_PORT": "8000", "INSTANTID_SHARE": "yes", "OTHER": "1"}
    settings = Settings.from_environment(environ, port=9000, host=None)
    assert (settings.profile, settings.port, settings.share, settings.host) == ("sdxl", 9000, True, "127.0.0.1")
    assert Settings.from_environment({}) == Settings()


def test_paths_and_switches():
    environ = {"INSTANTID_MODELS_DIR": "~/models", "HF_HUB_OFFLINE": "1"}
    settings = Settings.from_environment(environ)
    assert settings.models_dir == Path("~/models").expanduser()
    assert settings.offline
    assert not Settings.from_environment({**environ, "INSTANTID_OFFLINE": "0"}).offline


def test_passwords_are_read_and_never_printed():
    settings = Settings.from_environment({"INSTANTID_AUTH": "ada:se:cret, bob:x"})
    assert settings.auth == (("ada", "se:cret"), ("bob", "x"))
    assert "cret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "many"), ("PORT", "70000"), ("SHARE", "perhaps"), ("AUTH", "ada"), ("PROFILE", " ")]
)
def test_nonsense_is_refused_by_name(name, value):
    with pytest.raises(RequestError) as told:
        Settings.from_environment({f"INSTANTID_{name}": value})
    assert told.value.field == name.lower()
    assert "secret" not in str(told.value)
