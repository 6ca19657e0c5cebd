"""How far a pull is, in lines, by a clock of the test's own."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from edgellm.cli.progress import Lines, describe
from edgellm.cli.pull import parse_rate
from edgellm.errors import ConfigError
from edgellm.store.progress import Meter, Progress

HALF = Progress("fetching", 50 << 20, 100 << 20, 5.0 * (1 << 20), "x.gguf")


def test_a_line_says_how_far_it_is() -> None:
    assert describe(HALF) == "fetching x.gguf: 50% of 100 MiB, 5.0 MiB/s, 10 s left"
    unknown = replace(HALF, total_bytes=None, bytes_per_second=None, num_retries=2)
    assert describe(unknown) == "fetching x.gguf: 50.0 MiB, connection lost 2 times"
    assert describe(replace(HALF, phase="waiting", file="")).startswith("waiting for another")


def test_lines_come_at_changes_and_now_and_then() -> None:
    now, lines = 0.0, list[str]()
    shown = Lines(lines.append, lambda: now)
    for second in range(25):
        now = float(second)
        shown.show(replace(HALF, done_bytes=second))
    assert len(lines) == 3
    shown.show(replace(HALF, phase="checking"))
    shown.show(replace(HALF, num_retries=1))
    shown.show(replace(HALF, phase="asking"))
    shown.show(replace(HALF, phase="done"))
    assert len(lines) == 5
    shown.show(replace(HALF, phase="waiting", file=""))
    assert lines[5:] == ["waiting for another process that pulls the same"]


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("500", 500),
        ("500K", 512_000),
        ("5M", 5 << 20),
        ("1.5g", 1.5 * (1 << 30)),
        ("2MB/s", 2 << 20),
    ],
)
def test_rates(text: str, rate: float) -> None:
    assert parse_rate(text) == rate
    assert parse_rate(None) is None


@pytest.mark.parametrize("text", ["", "0", "M", "-5M", "5 miles"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(ConfigError, match="is no rate"):
        parse_rate(text)


def test_the_rate_shown_is_that_of_the_last_seconds() -> None:
    now, told = 0.0, list[Progress]()
    meter = Meter(told.append, clock=lambda: now)
    for second in range(20):
        now = float(second)
        meter.add(1000 if second < 10 else 3000, is_fetched=True)
    assert told[-1].bytes_per_second == pytest.approx(3000)
    assert told[-1].done_bytes == 10 * 1000 + 10 * 3000
