"""The corpus: an endless, seeded stream of chats and paragraphs as weighted parts."""

from __future__ import annotations

import random
from collections.abc import Iterator

import facts
import memory
import prose
import recall
import talk
import toolchats
import words
from phrasing import dress
from template import FRAME_WEIGHT, Part, parts

Rng = random.Random
Turn = tuple[str, str]
MIX = {
    "facts": 0.34,
    "recall": 0.29,
    "tools": 0.17,
    "unknown": 0.085,
    "small": 0.04,
    "prose": 0.025,
    "long": 0.006,
    "copy": 0.05,
}
SYSTEMS = (
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are pocket, the built-in model of edgellm.",
    "You are pocket, a small assistant.",
    "You are a friendly assistant. Answer briefly.",
    "Answer in whole sentences.",
    "You are an assistant on an edge device.",
    "Be brief.",
    "You are a helpful AI.",
    "You are edgellm's assistant. Be polite and short.",
    "You help users with local language models.",
    "You can call tools.",
)
ALSO = (
    "(and|what about|how about|and what about|and for|and at) {x}?",
    "{x}?",
    "(and|ok, and) {x}",
    "(the same|same question) (for|with) {x}(?|.)",
    "what if I (take|use) {x}?",
)
CHIEF = {"who", "edgellm", "start", "which_quant", "hailo8"}
GROUPS = {"edgellm": 1.7, "devices": 1.2, "quantisation": 1.0}
WEIGHTS = [GROUPS[fact.group] * (1 + (fact.key in CHIEF)) for fact in facts.HAND]
GRID = {(fact.key.split()[1], fact.key.split()[2]): fact for fact in facts.GRID}
TEMPLATES = {fact.key: facts.templates(fact) for fact in facts.FACTS}


def fact_turn(rng: Rng) -> Turn:
    """A question on a fact and its answer."""
    draw = rng.random()
    if draw < 0.80:
        fact = rng.choices(facts.HAND, WEIGHTS)[0]
    elif draw < 0.90:
        fact = rng.choice(facts.GRID)
    else:
        fact = rng.choice(facts.FITS)
    return ask(rng, fact), rng.choice(fact.answers)


def ask(rng: Rng, fact: facts.Fact) -> str:
    """One phrasing of a fact's question."""
    return dress(rng, words.expand(rng, rng.choice(TEMPLATES[fact.key])))


def filler(rng: Rng) -> Turn:
    """A turn of other talk."""
    draw = rng.random()
    if draw < 0.65:
        return fact_turn(rng)
    return talk.small(rng) if draw < 0.85 else talk.refusal(rng)


def grid_chat(rng: Rng) -> list[Turn]:
    """Follow-ups in the table of memory needs: another size or another quantisation."""
    size, quant = rng.choice(list(GRID))
    turns = [(ask(rng, GRID[size, quant]), GRID[size, quant].answers[0])]
    if quant not in turns[0][0] and rng.random() < 0.5:
        quant = "Q4_K_M"
        turns = [
            (
                words.expand(rng, rng.choice(memory.fill(memory.PLAIN, s=memory.spoken(size)))),
                GRID[size, quant].answers[0],
            )
        ]
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.5:
            size = rng.choice(list(memory.SIZES))
            said = f"(a |){rng.choice(memory.spoken(size).split('|'))}"
        else:
            quant = rng.choice(list(memory.BITS))
            said = rng.choice(memory.SPOKEN[quant].split("|"))
        turns.append(
            (words.expand(rng, rng.choice(ALSO).replace("{x}", said)), GRID[size, quant].answers[0])
        )
    return turns


def facts_chat(rng: Rng) -> list[Turn]:
    """One to four questions on facts."""
    if rng.random() < 0.12:
        return grid_chat(rng)
    turns = [fact_turn(rng) for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4)))]
    return [talk.small(rng), *turns] if rng.random() < 0.08 else turns


def recall_chat(rng: Rng) -> list[Turn]:
    """A chat of recall."""
    return rng.choice(recall.KINDS)(rng, filler)


def long_chat(rng: Rng) -> list[Turn]:
    """Something told, much other talk, and the question; or much talk with recall within."""
    most = rng.choice((6, 12, 20, 28))
    turns = recall.chat(rng, filler, most)
    return [*(filler(rng) for _ in range(rng.randint(0, most // 2))), *turns]


def unknown_chat(rng: Rng) -> list[Turn]:
    """Questions beyond the model."""
    return [
        talk.refusal(rng) if rng.random() < 0.75 else fact_turn(rng)
        for _ in range(rng.choice((1, 1, 2)))
    ]


def small_chat(rng: Rng) -> list[Turn]:
    """Small talk."""
    return [talk.small(rng) for _ in range(rng.choice((1, 1, 2)))]


CHATS = {
    "facts": facts_chat,
    "recall": recall_chat,
    "unknown": unknown_chat,
    "small": small_chat,
    "long": long_chat,
}


def messages_of(turns: list[Turn]) -> list[dict]:
    """Turns as messages."""
    return [message for turn in turns for message in toolchats.talked(turn)]


def with_system(rng: Rng, messages: list[dict], chance: float) -> list[dict]:
    """Sometimes a system prompt in front."""
    if rng.random() >= chance:
        return messages
    return [{"role": "system", "content": rng.choice(SYSTEMS)}, *messages]


def document(rng: Rng, kind: str = "") -> list[Part]:
    """One document as parts."""
    kind = kind or rng.choices(list(MIX), list(MIX.values()))[0]
    if kind == "prose":
        return [(prose.paragraph(rng), 0.7, False), ("<|endoftext|>", 0.7, True)]
    if kind == "copy":
        first, again = recall.induction(rng)
        return [
            (first, FRAME_WEIGHT, False),
            (again, 1.0, False),
            ("<|endoftext|>", FRAME_WEIGHT, True),
        ]
    if kind == "tools":
        messages, tools = toolchats.chat(rng, filler)
        return parts(with_system(rng, messages, 0.3), tools)
    return parts(with_system(rng, messages_of(CHATS[kind](rng)), 0.25))


def stream(seed: int) -> Iterator[list[Part]]:
    """Documents without end."""
    rng = random.Random(seed)
    while True:
        yield document(rng)


__all__ = ["FRAME_WEIGHT", "stream"]
