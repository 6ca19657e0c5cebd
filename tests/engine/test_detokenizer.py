"""Whole characters only, and nothing of a stop string, however the tokens are cut."""

from __future__ import annotations

import itertools

import pytest

from edgellm.engine.detokenizer import Detokenizer
from edgellm.types import TokenLogprob

TEXT = "Grüße 🌍, 你好: done."


def run(pieces: list[bytes], stop: tuple[str, ...] = ()) -> tuple[list[str], bool]:
    detokenizer, texts = Detokenizer(stop), []
    for piece in pieces:
        texts.append(detokenizer.push(piece).text)
        if detokenizer.is_stopped:
            return texts, True
    texts.append(detokenizer.finish().text)
    return texts, detokenizer.is_stopped


def test_no_piece_ever_splits_a_character() -> None:
    texts, _ = run([bytes([byte]) for byte in TEXT.encode()])
    assert "".join(texts) == TEXT
    assert not any("�" in text for text in texts)


@pytest.mark.parametrize("stop", ["🌍", "好: d", "done.", "G", ", 你"])
def test_stop_string_is_found_across_every_border(stop: str) -> None:
    data = TEXT.encode()
    expected = TEXT[: TEXT.index(stop)]
    for first, second in itertools.combinations(range(len(data) + 1), 2):
        texts, is_stopped = run([data[:first], data[first:second], data[second:]], (stop,))
        assert (is_stopped, "".join(texts)) == (True, expected), (first, second)


def test_the_earliest_of_several_stop_strings_counts() -> None:
    assert run([b"one two three"], ("three", "two", "wo t")) == (["one "], True)


@pytest.mark.parametrize("num_bytes", [1, 2, 3, 20])
def test_it_knows_which_stop_string_it_was_however_the_tokens_are_cut(num_bytes: int) -> None:
    data = b"one two three"
    detokenizer = Detokenizer(("three", "two th", "two"))
    assert detokenizer.found is None
    for start in range(0, len(data), num_bytes):
        detokenizer.push(data[start : start + num_bytes])
        if detokenizer.is_stopped:
            break
    assert detokenizer.found == "two"  # the first to be complete of those that begin first


def test_an_unfinished_stop_string_is_text() -> None:
    texts, is_stopped = run([b"wait for <|e", b"n"], ("<|end|>",))
    assert not is_stopped
    assert texts == ["wait for ", "", "<|en"]


def test_a_false_beginning_is_released_as_soon_as_it_is_refuted() -> None:
    texts, _ = run([b"a##", b"#", b"b"], ("###!",))
    assert texts == ["a", "", "###b", ""]


def test_an_invalid_byte_becomes_one_replacement_character() -> None:
    texts, _ = run([b"a\xff", b"b", b"\xc3"])
    assert "".join(texts) == "a�b�"


def test_logprobs_come_with_the_text_of_their_tokens() -> None:
    detokenizer = Detokenizer(("stop",))
    entries = [TokenLogprob(bytes([65 + i]), -float(i)) for i in range(4)]
    assert detokenizer.push(b"a", entries[0]) == ("a", (entries[0],))
    assert detokenizer.push(b"st", entries[1]) == ("", ())
    assert detokenizer.push(b"a", entries[2]) == ("sta", (entries[1], entries[2]))
    assert detokenizer.push(b"stop", entries[3]) == ("", ())
    assert detokenizer.is_stopped
    assert detokenizer.finish() == ("", ())
