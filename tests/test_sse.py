"""Server-sent events: whatever comes, in whatever pieces, the same events come out."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edgellm.sse import SseDecoder, SseEvent

LINES = st.sampled_from(
    (
        *(b"data: a", b"data:b", b"data", b"data:", b"event: x", b"event:", b": comment", b"id: 1"),
        *(b"", b"", b"nonsense", b"data: \xc3\xbc", b"data: \xff\xfe", b"\xef\xbb\xbfdata: bom"),
    )
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
STREAMS = st.lists(st.tuples(LINES, ENDS), max_size=20).map(
    lambda pairs: b"".join(line + end for line, end in pairs)
)


def decode(pieces: list[bytes]) -> list[SseEvent]:
    decoder = SseDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def by_the_book(stream: bytes) -> list[SseEvent]:
    """The specification, word for word, on the whole of it."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events, data, name = [], [], ""
    for line in text.split(b"\n")[:-1]:
        field, _, value = line.decode("utf-8", "replace").partition(":")
        value = value[1:] if value.startswith(" ") else value
        if not line:
            if data:
                events.append(SseEvent("\n".join(data), name or "message"))
            data, name = [], ""
        elif field == "data":
            data.append(value)
        elif field == "event":
            name = value
    return events


@given(STREAMS | st.binary(max_size=60), st.lists(st.integers(0, 200), max_size=8))
def test_the_cuts_do_not_matter(stream: bytes, places: list[int]) -> None:
    ends = sorted({min(place, len(stream)) for place in places} | {0, len(stream)})
    pieces = [stream[begin:end] for begin, end in pairwise(ends)]
    whole = decode([stream])
    assert decode(pieces) == whole
    assert decode([stream[at : at + 1] for at in range(len(stream))]) == whole


@given(STREAMS)
def test_events_are_those_of_the_specification(stream: bytes) -> None:
    assert decode([stream]) == by_the_book(stream)
