"""Settings: who wins, where a value came from, and what each mistake says. And the folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgellm.config import Settings, load_settings, unknown_variables
from edgellm.errors import ConfigError
from edgellm.paths import find_paths


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def _error(flags: dict[str, object], environ: dict[str, str], file: Path | None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_settings(flags, environ, file)
    return caught.value


def test_nothing_given_is_the_defaults() -> None:
    settings, origins = load_settings({}, {}, None)
    assert settings == Settings()
    assert set(origins.values()) == {"default"}
    assert settings.host == "127.0.0.1"
    assert settings.port == 8000


def test_flags_beat_variables_beat_the_file(config: Path) -> None:
    config.write_text("# mine\nport = 1\nparallel = 1\nthreads = 1\n")
    environ = {"EDGELLM_PORT": "2", "EDGELLM_PARALLEL": "2", "PORT": "9"}
    settings, origins = load_settings({"port": 3, "context": None}, environ, config)
    assert (settings.port, settings.parallel, settings.threads) == (3, 2, 1)
    assert origins["port"] == "--port"
    assert origins["parallel"] == "EDGELLM_PARALLEL"
    assert origins["threads"] == "config.toml:4"
    assert origins["context"] == "default"


@pytest.mark.parametrize("given", ["['a', 'b']", "[\n  'a',\n  'b',\n]"])
def test_lists_from_the_file(config: Path, given: str) -> None:
    config.write_text(f"cors_origins = {given}\nport = 5\nalias = 'gpt'\n")
    settings, origins = load_settings({}, {}, config)
    assert settings.cors_origins == ("a", "b")
    assert settings.alias == ("gpt",)
    assert origins["cors_origins"] == "config.toml:1"
    assert origins["port"] == f"config.toml:{2 + given.count(chr(10))}"


def test_lists_from_flags_and_variables() -> None:
    environ = {"EDGELLM_ALIAS": "a, b", "EDGELLM_CORS_ORIGINS": "http://x"}
    settings, origins = load_settings({"alias": ["c"], "cors_origins": []}, environ, None)
    assert settings.alias == ("c",)
    assert settings.cors_origins == ("http://x",)
    assert origins["cors_origins"] == "EDGELLM_CORS_ORIGINS"


def test_an_empty_variable_counts_as_absent() -> None:
    assert load_settings({}, {"EDGELLM_PORT": ""}, None)[0].port == 8000


def test_a_comment_that_looks_like_a_key_does_not_move_the_origin(config: Path) -> None:
    config.write_text('host = """\\\nport = 1\\\n"""\n# port = 2\n\nport = 3\n')
    _, origins = load_settings({}, {}, config)
    assert origins["host"] == "config.toml:1"
    assert origins["port"] == "config.toml:6"


def test_an_unknown_key_points_at_its_line_and_guesses(config: Path) -> None:
    config.write_text("host = '::1'\n\nparalel = 8\n")
    error = _error({}, {}, config)
    assert error.message == f"{config}:3: unknown setting 'paralel'."
    assert error.hint == "Did you mean 'parallel'?"


def test_an_unknown_table_lists_what_is_known(config: Path) -> None:
    config.write_text("port = 1\n[zzz]\nport = 2\n")
    error = _error({}, {}, config)
    assert f"{config}:2" in error.message
    assert "Known settings: host, port" in error.hint


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("port = 70000", "port cannot be 70000 (config.toml:1)."),
        ("port = -1", "port cannot be -1 (config.toml:1)."),
        ("port = '80'", "port cannot be '80' (config.toml:1)."),
        ("port = true", "port cannot be True (config.toml:1)."),
        ("parallel = 0", "parallel cannot be 0 (config.toml:1)."),
        ("parallel = 257", "parallel cannot be 257 (config.toml:1)."),
        ("context = -5", "context cannot be -5 (config.toml:1)."),
        ("threads = 1.5", "threads cannot be 1.5 (config.toml:1)."),
        ("host = ''", "host cannot be '' (config.toml:1)."),
        ("log_level = 'loud'", "log-level cannot be 'loud' (config.toml:1)."),
        ("alias = [1]", "alias cannot be [1] (config.toml:1)."),
    ],
)
def test_a_bad_value_names_the_setting_and_the_line(config: Path, line: str, shown: str) -> None:
    config.write_text(line + "\n")
    error = _error({}, {}, config)
    assert error.message == shown
    assert error.hint.startswith("It must be ")


def test_a_bad_variable_and_a_bad_flag_name_themselves() -> None:
    error = _error({}, {"EDGELLM_PORT": "eighty"}, None)
    assert error.message == "port cannot be 'eighty' (EDGELLM_PORT)."
    assert _error({"parallel": 0}, {}, None).message == "parallel cannot be 0 (--parallel)."


def test_a_bad_value_is_an_error_even_where_another_source_wins() -> None:
    assert "EDGELLM_PORT" in _error({"port": 1}, {"EDGELLM_PORT": "x"}, None).message


def test_a_file_that_is_absent_unreadable_or_not_toml(config: Path) -> None:
    assert "does not exist" in _error({}, {}, config).message
    assert "cannot be read" in _error({}, {}, config.parent).message
    config.write_bytes(b"host = '\xff'")
    assert "not UTF-8" in _error({}, {}, config).message
    config.write_text("port = \n")
    error = _error({}, {}, config)
    assert "not valid TOML" in error.message
    assert "line 1" in error.message


def test_unknown_variables_are_warned_of() -> None:
    environ = {"EDGELLM_PROT": "1", "EDGELLM_HOME": "/x", "EDGELLM_PORT": "1", "HOME": "/"}
    (warning,) = unknown_variables(environ)
    assert "EDGELLM_PROT" in warning
    assert "Did you mean 'EDGELLM_PORT'?" in warning


def test_paths_on_linux_follow_xdg() -> None:
    home = Path("/home/u")
    paths = find_paths({"XDG_DATA_HOME": "/big", "XDG_CACHE_HOME": "relative"}, "linux", home)
    assert paths.config_file == Path("/home/u/.config/edgellm/config.toml")
    assert paths.data == Path("/big/edgellm")
    assert paths.cache == Path("/home/u/.cache/edgellm")


def test_paths_on_macos_are_in_the_library() -> None:
    paths = find_paths({}, "darwin", Path("/Users/u"))
    assert paths.data == Path("/Users/u/Library/Application Support/edgellm")
    assert paths.cache == Path("/Users/u/Library/Caches/edgellm")


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_edgellm_home_holds_everything(platform: str) -> None:
    paths = find_paths({"EDGELLM_HOME": "~/llm", "XDG_DATA_HOME": "/x"}, platform, Path("/h"))
    assert paths.config_file == Path("/h/llm/config.toml")
    assert paths.data == Path("/h/llm/data")
    assert paths.cache == Path("/h/llm/cache")
