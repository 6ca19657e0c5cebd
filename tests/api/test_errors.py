"""Every error that we can raise has a status and a code of its own choosing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edgellm import errors
from edgellm.api.errors import BodyTooLarge, describe
from edgellm.errors import EdgellmError

MADE: dict[type[EdgellmError], EdgellmError] = {
    errors.ContextLengthExceeded: errors.ContextLengthExceeded(9, 8),
    errors.ModelNotFound: errors.ModelNotFound("gpt", ("pocket",)),
    errors.ModelBusy: errors.ModelBusy("pocket", 2),
    errors.ModelLoading: errors.ModelLoading("pocket", 2.5),
    errors.PortInUse: errors.PortInUse("127.0.0.1", 8000),
    errors.NotStored: errors.NotStored("The response 'x'", "id", "response_not_found"),
    errors.KeyRefused: errors.KeyRefused(is_wrong=True),
    errors.QueueFull: errors.QueueFull(64, 2.0),
    errors.DeadlineExceeded: errors.DeadlineExceeded(1.0),
    BodyTooLarge: BodyTooLarge(1000),
}
GENERAL = {"server_error", "invalid_request", "engine_error", "store_error"}
# The server's own affairs, which no request can cause.
UNLIKELY = {errors.CaptureError, errors.ConfigError, errors.PortInUse}
# The roots of the tree, which nobody raises.
ROOTS = {errors.EdgellmError, errors.RequestError, errors.EngineError, errors.StoreError}


def all_kinds(kind: type[EdgellmError] = EdgellmError) -> Iterator[type[EdgellmError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from all_kinds(child)


# Those of the layers that the API stands on; the command line's never come here.
OURS = sorted(
    {
        kind
        for kind in all_kinds()
        if kind.__module__ in ("edgellm.errors", BodyTooLarge.__module__)
    },
    key=str,
)


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_error_is_described(kind: type[EdgellmError]) -> None:
    error = MADE.get(kind) or kind("It went wrong.", "Mend it.")
    answer = describe(error)
    assert answer.message == error.message
    assert answer.hint == error.hint
    assert 400 <= answer.status < 600
    is_ours = answer.type == "server_error"
    assert is_ours == (answer.status >= 500)
    assert answer.code
    if kind not in UNLIKELY | ROOTS:
        assert answer.code not in GENERAL, f"{kind.__name__} falls through to a general answer"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.AccessDenied("Log in."), 403, "access_denied"),
        (errors.DiskFull("Full."), 507, "disk_full"),
        (errors.DownloadFailed("Gone."), 502, "download_failed"),
        (errors.DigestMismatch("Other."), 502, "digest_mismatch"),
        (errors.RemoteNotFound("None."), 404, "remote_not_found"),
        (errors.ModelInUse("Busy."), 409, "model_in_use"),
        (errors.PullCancelled("Stop."), 409, "pull_cancelled"),
        (errors.FolderUnusable("Read-only."), 500, "folder_unusable"),
        (errors.StoreError("Odd."), 500, "store_error"),
        (errors.ModelFileError("No GGUF."), 503, "model_file_unusable"),
        (errors.ServerUnreachable("Nobody."), 502, "server_unreachable"),
    ],
)
def test_the_store_s_errors(error: EdgellmError, status: int, code: str) -> None:
    answer = describe(error)
    assert (answer.status, answer.code) == (status, code)


def test_a_remote_that_wants_us_to_wait_says_how_long() -> None:
    answer = describe(errors.TooManyRequests("Slowly.", retry_after_seconds=12.2))
    assert (answer.status, answer.code) == (503, "remote_busy")
    assert answer.headers() == {"Retry-After": "13"}
    assert describe(errors.TooManyRequests("Slowly.")).headers() == {}
