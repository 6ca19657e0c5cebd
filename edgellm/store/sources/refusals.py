"""What an HTTP answer other than the file means, in words: one map for the hub and for others."""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from msgspec import Struct

from edgellm.errors import (
    AccessDenied,
    DownloadFailed,
    RemoteNotFound,
    StoreError,
    TooManyRequests,
)

_LOG_IN = "log in with `hf auth login`, or set HF_TOKEN to a read token"
_TEMPORARY = {408, 425, 500, 502, 503, 504}


class Asked(Struct, frozen=True):
    """What was asked for. `repo` is empty for a plain address, and `page` its own page if not."""

    what: str  # "the file x.gguf of owner/repo", or an address
    repo: str = ""
    page: str = ""
    revision: str = ""
    has_token: bool = False


def refusal(status: int, headers: Mapping[str, str], asked: Asked) -> StoreError:
    """The error that an answer of that status is."""
    code = headers.get("x-error-code", "")
    if status == 429:
        return _too_many(headers, asked)
    if status in _TEMPORARY:
        return DownloadFailed(
            f"The server of {asked.what} has a problem of its own (HTTP {status}).",
            "Try again later; what came so far is kept.",
        )
    if code == "GatedRepo":
        return _gated(asked)
    if status in {401, 403, 407}:
        return _denied(status, code, headers, asked)
    if status in {404, 410, 451}:
        return _not_found(status, code, asked)
    return DownloadFailed(f"The server of {asked.what} answered with HTTP {status}.")


def is_temporary(status: int) -> bool:
    """Whether the same question may be answered in a moment."""
    return status in _TEMPORARY or status == 429


def retry_after_seconds(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Of `Retry-After`, which is a number of seconds or a date; None if there is none."""
    text = headers.get("retry-after", "").strip()
    if text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return None
    return max(0.0, moment - (time.time() if now is None else now))


def _too_many(headers: Mapping[str, str], asked: Asked) -> TooManyRequests:
    seconds = retry_after_seconds(headers)
    wait = "a few minutes" if seconds is None else f"{seconds:.0f} seconds"
    hint = f"Try again in {wait}; what came so far is kept."
    if asked.repo and not asked.has_token:
        hint += f" Those who log in may ask more often: {_LOG_IN}."
    return TooManyRequests(
        f"The server of {asked.what} gets too many requests from here (HTTP 429).",
        hint,
        retry_after_seconds=seconds,
    )


def _gated(asked: Asked) -> AccessDenied:
    if asked.has_token:
        hint = f"Ask for it on {asked.page} with the account of your token, then pull again."
        return AccessDenied(f"{asked.repo} is gated, and your account has no access to it.", hint)
    return AccessDenied(
        f"{asked.repo} is gated: it is given to those who log in and accept its licence.",
        f"Accept the licence on {asked.page}, then {_LOG_IN}, and pull again.",
    )


def _denied(status: int, code: str, headers: Mapping[str, str], asked: Asked) -> StoreError:
    if not asked.repo:
        return AccessDenied(
            f"The server does not give out {asked.what} (HTTP {status}).",
            "edgellm sends no password to plain addresses: fetch it by hand, "
            "then `edgellm pull ./FILE`.",
        )
    if status == 401 and "invalid" in headers.get("x-error-message", "").lower():
        return AccessDenied(
            "The hub does not accept your token: it is wrong or has expired.",
            f"Make a new one and {_LOG_IN}; without any token, public models can be pulled.",
        )
    if status == 401 or code == "RepoNotFound":
        return _no_repository(asked)
    return AccessDenied(
        f"Your token may not read {asked.repo} (HTTP {status}).",
        "Give the token the permission to read this repository, or use another one.",
    )


def _no_repository(asked: Asked) -> RemoteNotFound:
    account = "the account of your token" if asked.has_token else "those who are not logged in"
    hint = "Check the name" + ("." if asked.has_token else f"; if it is private, {_LOG_IN}.")
    return RemoteNotFound(
        f"The hub has no model repository {asked.repo}, or hides it from {account}.", hint
    )


def _not_found(status: int, code: str, asked: Asked) -> StoreError:
    if asked.repo and code == "RevisionNotFound":
        return RemoteNotFound(
            f"{asked.repo} has no revision '{asked.revision}'.", f"See {asked.page}."
        )
    if asked.repo and code == "RepoNotFound":
        return _no_repository(asked)
    return RemoteNotFound(
        f"There is no such thing as {asked.what} (HTTP {status}).",
        f"See {asked.page}." if asked.page else "Check the address.",
    )
