"""What is kept, for whom, and what goes first."""

from __future__ import annotations

import msgspec
import pytest

from edgellm.api.responses.items import InputText, Item, MessageItem, OutputText
from edgellm.api.responses.store import ResponseStore, Turn
from edgellm.errors import InvalidRequest, NotStored


def put(
    store: ResponseStore,
    name: str,
    previous: str | None = None,
    *,
    owner: str = "",
    text: str = "x",
    status: str = "completed",
) -> None:
    """A response named `name` to a question of the same name."""
    inputs: tuple[Item, ...] = (MessageItem(f"in_{name}", "user", (InputText(name),)),)
    outputs: list[Item] = [MessageItem(f"out_{name}", "assistant", (OutputText(text),))]
    parent = None if previous is None else store.turn_of(previous, owner)
    store.put({"id": name, "status": status}, owner, inputs, outputs, parent)


def ids(turn: Turn) -> list[str]:
    return [item.id for item in turn.history()]


def known(store: ResponseStore, *names: str) -> list[bool]:
    return [name in store._stored for name in names]


def test_a_conversation_branches_and_goes_on() -> None:
    store = ResponseStore()
    put(store, "a")
    put(store, "b", "a")
    put(store, "c", "a")
    assert ids(store.turn_of("b", "")) == ["in_a", "out_a", "in_b", "out_b"]
    assert ids(store.turn_of("c", "")) == ["in_a", "out_a", "in_c", "out_c"]
    assert [i.id for i in store.get("c", "").input_items()] == ["in_a", "out_a", "in_c"]
    assert msgspec.json.decode(store.get("a", "").body) == {"id": "a", "status": "completed"}


def test_bytes_are_counted_once_and_all_come_back() -> None:
    store = ResponseStore()
    put(store, "a", text="x" * 1000)
    alone = store.num_bytes
    put(store, "b", "a")
    assert store.num_bytes < alone + 500
    store.delete("a", "")
    assert store.num_bytes > 1000, "b still needs what a said"
    assert ids(store.turn_of("b", "")) == ["in_a", "out_a", "in_b", "out_b"]
    with pytest.raises(NotStored):
        store.get("a", "")
    store.delete("b", "")
    assert (len(store), store.num_bytes) == (0, 0)


def test_a_turn_that_was_forgotten_meanwhile_counts_again() -> None:
    """Its answer took long, and others pushed out what it continues."""
    store = ResponseStore(max_responses=1)
    put(store, "a")
    parent = store.turn_of("a", "")
    put(store, "other")
    store.put({"id": "b", "status": "completed"}, "", (), [], parent)
    assert ids(store.turn_of("b", "")) == ["in_a", "out_a"]
    store.delete("b", "")
    assert store.num_bytes == 0


def test_what_was_not_used_for_longest_goes_first() -> None:
    store = ResponseStore(max_responses=2)
    put(store, "a")
    put(store, "b")
    store.get("a", "")
    put(store, "c")
    assert known(store, "a", "b", "c") == [True, False, True]


def test_bytes_are_bounded() -> None:
    store = ResponseStore(max_bytes=5000)
    for name in "abcdefgh":
        put(store, name, text="x" * 1000)
        assert store.num_bytes <= 5000
    assert known(store, "a", "e", "f", "h") == [False, False, True, True]
    put(store, "huge", text="x" * 6000)
    assert known(store, "huge", "h") == [False, True], "it is no reason to forget the others"


def test_a_chain_that_has_grown_too_long_is_not_kept() -> None:
    store = ResponseStore(max_bytes=5000)
    put(store, "a", text="x" * 2000)
    put(store, "b", "a", text="x" * 2000)
    put(store, "c", "b", text="x" * 2000)
    assert known(store, "a", "b", "c") == [True, True, False]


def test_nobody_sees_what_is_another_s() -> None:
    store = ResponseStore()
    put(store, "a", owner="ann")
    put(store, "b", owner="bob")
    assert set(store.items_of("ann")) == {"in_a", "out_a"}
    for ask in (store.get, store.turn_of, store.delete):
        with pytest.raises(NotStored, match="'a' is not stored here"):
            ask("a", "bob")
    assert known(store, "a") == [True]


def test_a_failed_response_is_not_continued() -> None:
    store = ResponseStore()
    put(store, "a", status="failed")
    assert store.get("a", "").status == "failed"
    with pytest.raises(InvalidRequest, match="'a' failed"):
        store.turn_of("a", "")
