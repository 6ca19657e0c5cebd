"""Durations and sizes as people write them."""

from __future__ import annotations

import math

import pytest

from edgellm.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5m", 300),
        ("1h30m", 5400),
        ("1.5s", 1.5),
        ("250ms", 0.25),
        ("2d", 172_800),
        ("0", 0),
        ("90", 90),
        ("forever", math.inf),
        ("-1", math.inf),
        ("-5m", math.inf),
        (0, 0),
        (12.5, 12.5),
        (-1, math.inf),
    ],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "5 m", "5x", "--5", "1h-5m", "soon", math.nan])
def test_no_durations(text: str | float) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("6GiB", 6 * 1024**3),
        ("6 GiB", 6 * 1024**3),
        ("6Gi", 6 * 1024**3),
        ("6G", 6 * 1024**3),
        ("6GB", 6 * 10**9),
        ("1.5MiB", 3 * 2**19),
        ("512K", 512 * 1024),
        ("1TiB", 1024**4),
        ("7", 7),
        ("7B", 7),
    ],
)
def test_sizes(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "GiB", "-1", "6 gib", "6GiBs", "lots"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError):
        parse_size(text)
