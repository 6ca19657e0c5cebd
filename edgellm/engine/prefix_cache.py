"""Which computed tokens can be used again: a radix tree over all that the KV cache holds.

Every sequence whose tokens are in the KV cache, running or finished, is a path from the root; the
tree answers which of them shares the longest beginning with a new prompt. A finished sequence
stays until its cells are needed, the one that was used longest ago goes first. The tree only keeps
books: the engine tells the backend to share (`copy`) and to forget (`end`).

A cell is one token's place in the KV cache. Sequences that share a beginning share its cells, so
the cells in use are the lengths of the tree's edges, and nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Sequence as Tokens
from typing import NamedTuple, Protocol

from edgellm.backends.base import State

HOT_TOKENS = 16  # shorter ones are computed faster than they are read from disk
UNSHARED_KEPT = 4  # of what nobody shared yet: the newest that are worth keeping over a restart
NO_SLOT = -1


class Match(NamedTuple):
    """The first `length` tokens of a prompt are those of the sequence in `slot`.

    With a `state` they are in no slot (`NO_SLOT`), but the state brings them back.
    """

    slot: int
    length: int
    state: State | None = None


class Part(NamedTuple):
    """A part of a sequence that nobody else holds: from position `begin` to the end of `tokens`."""

    tokens: tuple[int, ...]  # from the first one on
    begin: int
    num_matches: int  # prompts that began with all of them


class PrefixCache(Protocol):
    """Finds computed beginnings, and chooses what to forget."""

    def match(self, tokens: Tokens[int]) -> Match | None:
        """The sequence that shares the longest beginning with `tokens`; None if none does."""

    def insert(self, slot: int, tokens: Tokens[int]) -> None:
        """`slot` holds, or is about to compute, `tokens`: all of them, from the first."""

    def release(self, slot: int) -> bool:
        """`slot` is finished. True if its tokens stay and the slot with them."""

    def remove(self, slot: int) -> None:
        """`slot` is forgotten."""

    def victim(self) -> int | None:
        """The finished slot to forget next; None if there is none."""

    def parts(self, slot: int) -> list[Part]:
        """What only this sequence holds, from the first token to the last, cut where others have
        left it."""

    @property
    def num_kept(self) -> int:
        """Cells that only finished sequences hold."""

    def hot(self) -> list[tuple[Match, tuple[int, ...]]]:
        """What is worth keeping over a restart: where it is, and its tokens.

        First beginnings that later prompts shared, the one that saved most first; then the newest
        of what nobody shared yet, `UNSHARED_KEPT` of them. Finished sequences' only.
        """

    @property
    def num_cells(self) -> int:
        """Cells that all known sequences take together."""

    # For models whose sequences cannot be cut (`checkpoints.py`); the others keep no states.

    def chunk_end(self, slot: int, begin: int, end: int) -> int:  # noqa: ARG002
        """Where a chunk of `slot`'s tokens from `begin` on must end: at `end`, or before it, for
        the state to be kept there."""
        return end

    def wants_state(self, slot: int, length: int) -> bool:  # noqa: ARG002
        """Whether to `keep` the state of `slot`, in which `length` tokens are computed now."""
        return False

    def make_room(self, num_bytes: int) -> bool:  # noqa: ARG002
        """Let a state of that size be kept, before it is copied and takes memory as well; False if
        it is larger than all that may be kept. Only if `wants_state`."""
        return False

    def keep(self, slot: int, length: int, state: State) -> None:  # noqa: ARG002
        """Take the state of the first `length` tokens of `slot`. Only after `make_room`."""
        raise AssertionError("this cache keeps no states")

    def checkpoint(self, slot: int, begin: int, end: int) -> Match | None:  # noqa: ARG002
        """The longest state of the tokens that `slot` is to hold, of more than the first `begin`
        and at most `end`."""
        return None


class NoCache(PrefixCache):
    """Nothing is used again: the reference for tests, and the off-switch."""

    def __init__(self) -> None:
        self._lengths: dict[int, int] = {}

    @property
    def num_cells(self) -> int:
        return sum(self._lengths.values())

    def match(self, tokens: Tokens[int]) -> Match | None:  # noqa: ARG002 - the protocol's
        return None

    def insert(self, slot: int, tokens: Tokens[int]) -> None:
        self._lengths[slot] = len(tokens)

    def release(self, slot: int) -> bool:  # noqa: ARG002 - the protocol's
        return False

    def remove(self, slot: int) -> None:
        del self._lengths[slot]

    def victim(self) -> int | None:
        return None

    def parts(self, slot: int) -> list[Part]:  # noqa: ARG002 - the protocol's
        return []

    @property
    def num_kept(self) -> int:
        return 0

    def hot(self) -> list[tuple[Match, tuple[int, ...]]]:
        return []


class _Node:
    """An edge of the tree with the node that it leads to."""

    __slots__ = ("children", "num_matches", "parent", "slots", "tokens")

    def __init__(self, parent: _Node | None, tokens: tuple[int, ...]) -> None:
        self.parent = parent
        self.tokens = tokens
        self.children: dict[int, _Node] = {}  # by the first token of their edges
        self.slots: set[int] = set()  # sequences that hold all tokens down to here
        self.num_matches = 0  # prompts that began with all tokens down to here


class RadixCache(PrefixCache):
    """The tree (`PrefixCache`)."""

    def __init__(self) -> None:
        self._root = _Node(None, ())
        self._ends: dict[int, _Node] = {}  # where each sequence's path ends
        self._finished: dict[int, None] = {}  # the one used longest ago first
        self._num_cells = 0

    @property
    def num_cells(self) -> int:
        return self._num_cells

    def match(self, tokens: Tokens[int]) -> Match | None:
        node, length = self._root, 0
        while length < len(tokens) and (child := node.children.get(tokens[length])):
            shared = num_shared(child.tokens, tokens, length)
            if shared < len(child.tokens):
                child = self._split(child, shared)
            child.num_matches += 1
            length += shared
            node = child
        if node is self._root:
            return None
        slot = self._choose(node)
        self._touch(slot)
        return Match(slot, length)

    def insert(self, slot: int, tokens: Tokens[int]) -> None:
        if slot in self._ends:
            self._unlink(slot)
        node, position = self._root, 0
        while position < len(tokens):
            child = node.children.get(tokens[position])
            if child is None:
                child = self._grow(node, tuple(tokens[position:]))
            else:
                shared = num_shared(child.tokens, tokens, position)
                if shared < len(child.tokens):
                    child = self._split(child, shared)
            child.slots.add(slot)
            position += len(child.tokens)
            node = child
        self._ends[slot] = node

    def release(self, slot: int) -> bool:
        end = self._ends[slot]
        if len(end.slots) > 1 or end is self._root:  # another one holds all of it
            self._touch(min(end.slots - {slot}, default=slot))
            return False
        for other in self._prefixes_of(slot):  # what they hold is held by this one now
            self._finished.pop(other)
            self._finished = {other: None, **self._finished}
        self._finished[slot] = None
        return True

    def remove(self, slot: int) -> None:
        self._finished.pop(slot, None)
        self._unlink(slot)
        del self._ends[slot]

    def victim(self) -> int | None:
        return next(iter(self._finished), None)

    def parts(self, slot: int) -> list[Part]:
        parts: list[Part] = []
        node = self._ends[slot]
        tokens = self._path(node)
        while node.parent is not None and len(node.slots) == 1:
            begin = len(tokens) - len(node.tokens)
            parts.append(Part(tokens, begin, node.num_matches))
            node, tokens = node.parent, tokens[:begin]
        return parts[::-1]

    @property
    def num_kept(self) -> int:
        kept, nodes = 0, list(self._root.children.values()) if self._finished else []
        while nodes:
            node = nodes.pop()
            nodes += node.children.values()
            if node.slots <= self._finished.keys():
                kept += len(node.tokens)
        return kept

    def hot(self) -> list[tuple[Match, tuple[int, ...]]]:
        found: list[tuple[int, Match, tuple[int, ...]]] = []  # the first: tokens saved
        paths = [(node, node.tokens) for node in self._root.children.values()]
        while paths:
            node, prefix = paths.pop()
            children = node.children.values()
            paths += [(child, prefix + child.tokens) for child in children]
            slot = next((slot for slot in node.slots if slot in self._finished), None)
            longer = max((child.num_matches for child in children), default=0)
            if slot is not None and node.num_matches > longer and len(prefix) >= HOT_TOKENS:
                saved = node.num_matches * len(prefix)
                found.append((saved, Match(slot, len(prefix)), prefix))
        shared = [(match, prefix) for _, match, prefix in sorted(found, reverse=True)]
        return shared + self._unshared()[:UNSHARED_KEPT]

    # -- inside ---------------------------------------------------------------------------------

    def _unshared(self) -> list[tuple[Match, tuple[int, ...]]]:
        """Finished sequences of which nobody shared half or more, the newest first.

        A device may restart after its first request: what the next prompts share of it, such as
        the system prompt, cannot be told yet, so all of it is kept.
        """
        found = []
        for slot in reversed(self._finished):
            tokens = self._path(self._ends[slot])
            if len(tokens) >= HOT_TOKENS and 2 * self._num_matched(slot) < len(tokens):
                found.append((Match(slot, len(tokens)), tokens))
        return found

    def _num_matched(self, slot: int) -> int:
        """How many of a sequence's tokens a later prompt began with."""
        node: _Node | None = self._ends[slot]
        num_tokens = 0
        while node is not None:
            num_tokens += len(node.tokens) if node.num_matches else 0
            node = node.parent
        return num_tokens

    def _choose(self, node: _Node) -> int:
        """Any sequence through the node will do: they share the cells."""
        return next((slot for slot in node.slots if slot in self._finished), min(node.slots))

    def _touch(self, slot: int) -> None:
        if slot in self._finished:
            del self._finished[slot]
            self._finished[slot] = None

    def _prefixes_of(self, slot: int) -> list[int]:
        """Finished sequences that end on the way to the end of `slot`."""
        ends = {id(self._ends[other]): other for other in self._finished}
        node, found = self._ends[slot].parent, []
        while node is not None:
            if id(node) in ends:
                found.append(ends[id(node)])
            node = node.parent
        return found

    def _path(self, node: _Node) -> tuple[int, ...]:
        """All tokens from the root down to here."""
        edges = []
        step: _Node | None = node
        while step is not None:
            edges.append(step.tokens)
            step = step.parent
        return tuple(token for edge in reversed(edges) for token in edge)

    def _grow(self, parent: _Node, tokens: tuple[int, ...]) -> _Node:
        node = _Node(parent, tokens)
        parent.children[tokens[0]] = node
        self._num_cells += len(tokens)
        return node

    def _split(self, node: _Node, length: int) -> _Node:
        """Cut an edge in two; gives the upper half."""
        assert node.parent is not None
        upper = _Node(node.parent, node.tokens[:length])
        upper.slots = set(node.slots)
        upper.num_matches = node.num_matches
        upper.children = {node.tokens[length]: node}
        node.parent.children[node.tokens[0]] = upper
        node.parent, node.tokens = upper, node.tokens[length:]
        return upper

    def _unlink(self, slot: int) -> None:
        """Take a sequence out of its path; edges that nobody holds go."""
        node: _Node | None = self._ends[slot]
        while node is not None and node.parent is not None:
            parent = node.parent
            node.slots.discard(slot)
            if not node.slots:
                del parent.children[node.tokens[0]]
                self._num_cells -= len(node.tokens)
            node = parent


def num_shared(edge: tuple[int, ...], tokens: Tokens[int], begin: int) -> int:
    """How many tokens of `edge` are those of `tokens` from `begin` on."""
    if edge == tuple(tokens[begin : begin + len(edge)]):
        return len(edge)
    pairs = zip(edge, tokens[begin : begin + len(edge)], strict=False)
    return next(
        (index for index, (ours, theirs) in enumerate(pairs) if ours != theirs),
        min(len(edge), len(tokens) - begin),
    )
