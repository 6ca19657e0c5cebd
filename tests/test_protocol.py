"""Frames: any messages, cut anywhere, come out as they were; any other bytes are an error."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgellm.errors import EngineCrashed
from edgellm.protocol import (
    MAX_FRAME_BYTES,
    Accepted,
    Cancel,
    Delta,
    Done,
    Failed,
    FrameBuffer,
    FromEngine,
    Generate,
    Progress,
    Shutdown,
    Stats,
    ToEngine,
    encode_frames,
    read_frame,
)
from edgellm.types import EngineStats, Timings, TokenLogprob, Usage

IDS = st.integers(0, 2**53)
TEXTS = st.text(max_size=20)
LOGPROBS = st.builds(TokenLogprob, st.binary(max_size=4), st.floats(-50, 0))
MESSAGES: st.SearchStrategy[FromEngine] = st.one_of(
    st.builds(Progress, st.floats(0, 1)),
    st.builds(Accepted, IDS, IDS),
    st.builds(Delta, IDS, TEXTS, st.tuples(LOGPROBS), st.tuples(IDS, IDS)),
    st.builds(
        Done, IDS, st.sampled_from(("stop", "length")), st.just(Usage(1, 2)), st.just(Timings())
    ),
    st.builds(Failed, st.none() | IDS, st.sampled_from(("load", "internal")), TEXTS),
    st.just(Stats(EngineStats(num_running=2))),
)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    return [data[begin:end] for begin, end in pairwise(ends)]


def feed(pieces: list[bytes]) -> list[FromEngine]:
    frames = FrameBuffer()
    return [message for piece in pieces for message in frames.feed(piece)]


@given(st.lists(MESSAGES, max_size=8), st.lists(st.integers(0, 600), max_size=10))
def test_messages_come_out_however_they_are_cut(
    messages: list[FromEngine], places: list[int]
) -> None:
    data = encode_frames(messages)
    assert feed(cut(data, places)) == messages
    assert feed([data[at : at + 1] for at in range(len(data))]) == messages


@given(
    st.lists(MESSAGES, max_size=3),
    st.binary(min_size=1, max_size=40),
    st.lists(st.integers(0, 300), max_size=6),
)
def test_garbage_is_an_error_behind_the_good_messages(
    messages: list[FromEngine], garbage: bytes, places: list[int]
) -> None:
    frames, got = FrameBuffer(), []
    with contextlib.suppress(EngineCrashed):
        for piece in cut(encode_frames(messages) + garbage, places):
            for message in frames.feed(piece):
                got += [message]
    assert got[: len(messages)] == messages


def test_a_frame_that_claims_too_much_is_an_error_at_once() -> None:
    with pytest.raises(EngineCrashed, match="claims"):
        feed([(MAX_FRAME_BYTES + 1).to_bytes(4, "little")])


@given(
    st.lists(st.builds(Cancel, IDS) | st.builds(Generate, IDS, st.tuples(TEXTS, IDS)), max_size=4)
)
def test_the_engine_reads_what_the_server_writes(messages: list[ToEngine]) -> None:
    data = memoryview(encode_frames([*messages, Shutdown()]))
    position = 0

    def read(size: int) -> bytes:
        nonlocal position
        position += size
        return bytes(data[position - size : position])

    for message in [*messages, Shutdown()]:
        assert read_frame(read) == message
    assert read_frame(read) is None
