"""The settings of a server: flags > EDGELLM_* variables > config.toml > defaults.

Every value remembers where it came from, so that an error and `edgellm doctor` can say which line
or variable to change. An unknown key in the file is an error; an unknown variable is a warning
(another tool's variable may share the prefix), see `unknown_variables`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta, Struct

from edgellm.errors import ConfigError
from edgellm.types import FlashAttention, KVType, SwaCache
from edgellm.units import DURATION, SIZE

PREFIX = "EDGELLM_"
# Variables that are read elsewhere: the folders, the settings file, the server that clients use,
# and the API key: clients send it, a server that is started with it wants it (`cli/access.py`).
OTHER_VARIABLES = ("EDGELLM_HOME", "EDGELLM_CONFIG", "EDGELLM_SERVER", "EDGELLM_API_KEY")

AdminFrom: TypeAlias = Literal["loopback", "anywhere"]
TlsMode: TypeAlias = Literal["off", "auto"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
Words: TypeAlias = tuple[Annotated[str, Meta(min_length=1)], ...]
Origins: TypeAlias = dict[str, str]

_MEANING = {
    "host": "an address to listen on, such as 127.0.0.1 or 0.0.0.0",
    "port": "a whole number from 0 (picks a free one) to 65535",
    "model": "the name or the path of a model, or empty for the built-in one",
    "models_folder": "a folder, or empty for the one in the data folder",
    "context": "a whole number of tokens, 0 for what suits the device",
    "parallel": "a whole number from 1 to 256",
    "kv_tokens": "a whole number of tokens, 0 for what suits the device",
    "kv_type": f"one of {', '.join(get_args(KVType))}",
    "flash_attention": "one of auto, on, off",
    "cache_ram": "a whole number of MiB, 0 for what the device can spare",
    "swa_cache": "full or window",
    "warm_boot": "true or false",
    "speculate": "true or false",
    "draft_model": "the path of a GGUF file, or empty for none",
    "threads": "a whole number from 0 (automatic) to 1024",
    "threads_batch": "a whole number from 0 (as many as threads) to 1024",
    "batch_tokens": "a whole number of tokens from 0 (automatic) to 8192",
    "repack": "true or false",
    "log_level": "one of debug, info, warning, error",
    "cors_origins": "a list of web origins such as http://localhost:3000",
    "alias": "a list of names",
    "models": "a list of paths of GGUF files",
    "memory_limit": "a size such as 6GiB or 800MiB, or empty for what the device can spare",
    "queue_limit": "a whole number from 0 (nobody waits) to 10000",
    "keep_alive": "a duration such as 5m or 1h30m, 0 for no time, or forever",
    "preload": "a list of names of models",
    "admin_from": "loopback or anywhere",
    "require_key": "true or false",
    "insecure_no_key": "true or false",
    "allowed_hosts": "a list of names of this server, such as llm.example.com or *.example.com",
    "tls": "off or auto",
    "tls_cert": "the path of a certificate in PEM, or empty for none",
    "tls_key": "the path of a private key in PEM, or empty where it is in the certificate's file",
    "yes": "true or false",
    "offline": "true or false",
    "force": "true or false",
}


class Settings(Struct, frozen=True):
    """What `edgellm serve` needs to know. 0 and "" mean: choose for me."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    model: str = ""  # a path or any name; empty = the built-in model
    models_folder: str = ""  # where models are kept; empty = `models` in the data folder
    context: Annotated[int, Meta(ge=0)] = 0  # tokens of one sequence; 0 = the plan's
    parallel: Annotated[int, Meta(ge=1, le=256)] = 4  # sequences at a time
    kv_tokens: Annotated[int, Meta(ge=0)] = 0  # that the whole KV cache holds
    kv_type: KVType = "f16"  # of the KV cache's values; quantised ones need flash attention
    flash_attention: FlashAttention = "auto"
    cache_ram: Annotated[int, Meta(ge=0)] = 0  # MiB for computed prompts outside the KV cache
    swa_cache: SwaCache = "full"  # tokens that sliding-window layers keep: all, or the window's
    warm_boot: bool = True  # keep computed prefixes on disk over restarts
    speculate: bool = False  # guess tokens and check them, while that pays
    draft_model: str = ""  # a path; a small model that guesses tokens, while that pays
    threads: Annotated[int, Meta(ge=0, le=1024)] = 0  # 0 = as many as this process may use
    threads_batch: Annotated[int, Meta(ge=0, le=1024)] = 0  # for prompts; 0 = as `threads`
    batch_tokens: Annotated[int, Meta(ge=0, le=8192)] = 0  # computed in one step
    repack: bool = True  # copy weights into the order that the CPU computes fastest
    log_level: LogLevel = "info"
    cors_origins: Words = ()
    alias: Words = ()  # more names that requests may use for the model
    models: Words = ()  # paths of more models, loaded when a request names them
    memory_limit: Annotated[str, Meta(pattern=f"^$|{SIZE}")] = ""  # of all models together
    keep_alive: Annotated[str, Meta(pattern=DURATION)] = "forever"  # that an idle model stays
    queue_limit: Annotated[int, Meta(ge=0, le=10_000)] = 64  # answers that wait for each model
    preload: Words = ()  # names of models to load at the start
    admin_from: AdminFrom = "loopback"  # who may load and unload models
    require_key: bool = False  # requests need an API key even while there is none
    insecure_no_key: bool = False  # listen on the network although there is no API key
    allowed_hosts: Words = ()  # names of this server that are neither local nor addresses
    tls: TlsMode = "off"  # auto: with a certificate of this device's own authority
    tls_cert: str = ""  # a path; with it, TLS is on
    tls_key: str = ""  # a path; empty = in the certificate's file
    yes: bool = False  # fetch what is needed without asking
    offline: bool = False  # ask no network for models
    force: bool = False  # take the model even if it does not fit


_TYPES = {field.name: field.type for field in msgspec.structs.fields(Settings)}
_FLAGS = {
    "model": "MODEL",
    "cors_origins": "--cors-origin",
    "models": "--model",
    "allowed_hosts": "--allowed-host",
}  # the others are named alike
_LISTS = frozenset({"cors_origins", "alias", "models", "preload", "allowed_hosts"})


def load_settings(
    flags: Mapping[str, object | None],
    environ: Mapping[str, str],
    config_file: Path | None,
) -> tuple[Settings, Origins]:
    """Merge the sources; returns the settings and where each came from.

    Args:
        flags: by setting; None means that the flag was not given.
        environ: every variable; only `EDGELLM_<SETTING>` is read, and empty counts as absent.
        config_file: a TOML file that must exist, or None.

    Raises:
        ConfigError: naming the setting and the flag, variable or line that is wrong.
    """
    values: dict[str, Any] = {}
    origins: Origins = dict.fromkeys(_TYPES, "default")
    sources = (_from_file(config_file), _from_environ(environ), _from_flags(flags))
    for name, raw, origin in (entry for source in sources for entry in source):
        values[name] = _checked(name, raw, origin)
        origins[name] = origin
    return Settings(**values), origins


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """One warning for each `EDGELLM_*` variable that nothing reads."""
    known = [*OTHER_VARIABLES, *(PREFIX + name.upper() for name in _TYPES)]
    return [
        f"{name} is not a variable of edgellm and is ignored.{_did_you_mean(name, known)}"
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in known
    ]


_Entry: TypeAlias = tuple[str, object, str]  # setting, raw value, origin


def _from_flags(flags: Mapping[str, object | None]) -> Iterable[_Entry]:
    for name, value in flags.items():
        if value is not None and value not in ((), []):
            yield name, value, _FLAGS.get(name) or "--" + name.replace("_", "-")


def _from_environ(environ: Mapping[str, str]) -> Iterable[_Entry]:
    for name in _TYPES:
        variable = PREFIX + name.upper()
        text = environ.get(variable, "").strip()
        if not text:
            continue
        value = [part.strip() for part in text.split(",")] if name in _LISTS else text
        yield name, value, variable


def _from_file(path: Path | None) -> Iterable[_Entry]:
    if path is None:
        return
    text = _read(path)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", "See https://toml.io.") from error
    lines = _key_lines(text)
    for name, value in table.items():
        origin = f"{path.name}:{lines[name]}"
        if name not in _TYPES:
            hint = _did_you_mean(name, _TYPES) or f" Known settings: {', '.join(_TYPES)}."
            raise ConfigError(f"{path}:{lines[name]}: unknown setting '{name}'.", hint.strip())
        yield name, [value] if name in _LISTS and isinstance(value, str) else value, origin


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            f"The settings file {path} does not exist.", "Create it, or leave --config out."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"The settings file {path} cannot be read: {reason}.") from error


def _key_lines(text: str) -> dict[str, int]:
    """The line on which each top-level key begins.

    `tomllib` keeps no positions. But a key appears in the parse of the first n lines as soon as
    its value is complete, and it began right after the last prefix that parsed before.
    """
    found: dict[str, int] = {}
    lines = text.splitlines(keepends=True)
    start = 1
    for number in range(1, len(lines) + 1):
        try:
            table = tomllib.loads("".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            continue
        for name in table.keys() - found.keys():
            found[name] = start
        start = number + 1
    return found


def _checked(name: str, raw: object, origin: str) -> Any:
    """`raw` as the setting's type. Only a variable's text may be turned into a number."""
    is_text = origin.startswith(PREFIX)
    try:
        return msgspec.convert(raw, _TYPES[name], strict=not is_text)
    except msgspec.ValidationError as error:
        shown = ", ".join(map(str, raw)) if is_text and isinstance(raw, list) else repr(raw)
        raise ConfigError(
            f"{name.replace('_', '-')} cannot be {shown} ({origin}).",
            f"It must be {_MEANING[name]}.",
        ) from error


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""
