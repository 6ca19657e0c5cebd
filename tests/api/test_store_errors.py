"""What goes wrong when a client has models fetched or deleted, as HTTP says it."""

from __future__ import annotations

import pytest

from edgellm.api.errors import describe
from edgellm.errors import (
    AccessDenied,
    DigestMismatch,
    DiskFull,
    DownloadFailed,
    EdgellmError,
    ModelInUse,
    PullCancelled,
    RemoteNotFound,
    TooManyRequests,
)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ModelInUse("m"), 409, "model_in_use"),
        (RemoteNotFound("m"), 404, "model_not_at_source"),
        (AccessDenied("m"), 403, "access_denied"),
        (DownloadFailed("m"), 502, "download_failed"),
        (TooManyRequests("m", retry_after_seconds=7.5), 503, "source_busy"),
        (PullCancelled("m"), 503, "pull_cancelled"),
        (DiskFull("m"), 507, "disk_full"),
        (DigestMismatch("m"), 500, "store_error"),
    ],
)
def test_the_status_of_an_error_of_the_store(error: EdgellmError, status: int, code: str) -> None:
    answer = describe(error)
    assert (answer.status, answer.code, answer.message) == (status, code, "m")


def test_a_source_that_wants_us_to_wait_says_how_long() -> None:
    answer = describe(TooManyRequests("m", retry_after_seconds=7.5))
    assert answer.headers() == {"Retry-After": "8"}
