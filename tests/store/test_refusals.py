"""Answers of servers in words; those of the hub itself are tested in `test_pull.py`."""

from __future__ import annotations

import pytest

from edgellm.errors import DownloadFailed, TooManyRequests
from edgellm.store.sources.refusals import Asked, refusal, retry_after_seconds

NOW = 1_445_412_480.0  # Wed, 21 Oct 2015 07:28:00 GMT, RFC 9110's own example


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_how_long_to_wait(header: str, seconds: float | None) -> None:
    assert retry_after_seconds({"retry-after": header}, NOW) == seconds
    assert retry_after_seconds({}, NOW) is None


def test_who_has_no_token_may_ask_more_often_with_one() -> None:
    without = refusal(429, {}, Asked("x of a/b", "a/b"))
    assert isinstance(without, TooManyRequests)
    assert "a few minutes" in without.hint
    assert "HF_TOKEN" in without.hint
    assert "HF_TOKEN" not in refusal(429, {}, Asked("x of a/b", "a/b", has_token=True)).hint
    assert "HF_TOKEN" not in refusal(429, {}, Asked("https://x.example/y")).hint


def test_an_answer_that_nobody_expected_has_its_number() -> None:
    told = refusal(418, {}, Asked("https://x.example/y"))
    assert isinstance(told, DownloadFailed)
    assert "HTTP 418" in told.message
