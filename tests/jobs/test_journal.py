"""Journals that are cut off, spoilt, or on a full disk."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.jobs.events import Begun, Ended, Note, Progress, StepDone
from edgellm.jobs.journal import Journal, JournalReader, read_entries

EVENTS = (
    Begun(("source", "quantise:Q8_0")),
    StepDone("source", {"path": "/x", "size_bytes": 3}),
    Note("two\nlines"),
    Ended("done"),
)


def write(path: Path) -> bytes:
    with Journal(path, clock=lambda: 7.0) as journal:
        for event in EVENTS:
            journal.write(event)
    return path.read_bytes()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    assert read_entries(path) == []
    write(path)
    entries = read_entries(path)
    assert tuple(entry.event for entry in entries) == EVENTS
    assert [entry.number for entry in entries] == [1, 2, 3, 4]
    assert {entry.time for entry in entries} == {7.0}


@given(st.integers(0, 1000))
def test_a_journal_that_is_cut_off_anywhere(
    tmp_path_factory: pytest.TempPathFactory, kept: int
) -> None:
    path = tmp_path_factory.mktemp("journals") / "journal.jsonl"
    data = write(path)[:kept]
    path.write_bytes(data)
    whole = data.count(b"\n")
    assert tuple(entry.event for entry in read_entries(path)) == EVENTS[:whole]
    with Journal(path) as journal:
        assert journal.write(Note("goes on")).number == whole + 1
    assert [entry.number for entry in read_entries(path)] == list(range(1, whole + 2))


def test_a_reader_gets_each_entry_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    reader, late = JournalReader(path), JournalReader(path, after=2)
    assert reader.new() == []
    with Journal(path) as journal:
        journal.write(Note("a"))
        assert [entry.number for entry in reader.new()] == [1]
        assert reader.new() == []
        journal.write(Progress("x", 1, 2))
        journal.write(Note("c"))
        assert [entry.number for entry in reader.new()] == [2, 3]
    assert [entry.number for entry in late.new()] == [3]


def test_a_spoilt_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    lines = write(path).splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\xff{]\n" + b"".join(lines[2:]))
    assert [entry.number for entry in read_entries(path)] == [1, 3, 4]


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    size = len(write(path))
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(path) as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, old[1]))
        try:
            with pytest.raises(OSError, match=r"space|large"):
                journal.write(Note("too long for what is left"))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, old)
        assert path.stat().st_size == size
        assert journal.write(Note("now")).number == 5
