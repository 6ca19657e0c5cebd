"""Facts that `pocket` answers: topic, question templates, answer, and the phrases that count.

A template is a small grammar: `(a|b)` stands for one of its alternatives. A fact with a topic is
also asked with every template of `DEFINE`. `must` are the phrases a right answer contains.
"""

from __future__ import annotations

from typing import NamedTuple

from facts_asked import ASKED
from facts_devices import DEVICE_FACTS
from facts_edgellm import EDGELLM_FACTS
from facts_quant import QUANT_FACTS
from memory import FIT_FACTS, GRID_FACTS

# fmt: off
DEFINE = (
    "what (is|are|exactly is|'s) {t}?",
    "what is {t}?",
    "what is {t} (about|for|good for|used for)?",
    "what do(es|) {t} mean?",
    "what is (meant|understood) by {t}?",
    "(explain|please explain) {t}( to me| briefly| in simple words| in one sentence|).",
    "(can|could|would) you (explain|describe|define) {t}( to me| please|)?",
    "(tell|teach) me (about|something about|more about|a bit about) {t}.",
    "(can|could) you tell me (about|what you know about|something about) {t}?",
    "(describe|define) {t}( briefly| for me|).",
    "{t}?",
    "what do you know about {t}?",
    "(give me|I need|I want) a (short|quick|brief|simple) (explanation|definition|description|"
    "summary) of {t}.",
    "how would you (describe|explain|define) {t}?",
    "in (simple words|one sentence|short|a few words), what is {t}?",
    "help me understand {t}.",
    "I (don't know|never understood|want to know|would like to know|wonder) what {t} is.",
    "do you know what {t} is?",
    "what should I know about {t}?",
    "I (keep reading about|have heard of|heard of|read about) {t}. What is it?",
    "(so|and) what is {t}?",
    "who or what is {t}?",
    "what's the (meaning|idea|point|sense) of {t}?",
    "what's {t} all about?",
    "fill me in on {t}.",
    "how should I think of {t}?",
    "what (is|lies) behind {t}?",
    "what are the (basics|essentials|main points|main facts|specs|features) of {t}?",
    "why (does|do|would) {t} matter?",
    "(any|do you have any|got any) (info|information|details|facts) (on|about) {t}?",
    "what do people use {t} for?",
    "what would you (say|tell me|tell a beginner) about {t}?",
    "{t} in a nutshell?",
    "what makes {t} (useful|interesting|different|important)?",
    "(please |)(talk|write) (a little |)about {t}.",
    "how (do|would) you sum {t} up?",
    "(I'm|I am) (curious|interested) about {t}.",
    "what can {t} do?",
    "what does {t} (offer|give me|bring|look like)?",
    "(let's|let us) talk about {t}.",
    "(is|are) {t} (something good|useful|important|any good)?",
)
# fmt: on


class Fact(NamedTuple):
    """One thing the model is to know."""

    key: str
    group: str
    topic: str
    asks: tuple[str, ...]
    answers: tuple[str, ...]
    must: tuple[str, ...]


def read(group: str, table: tuple[tuple, ...]) -> list[Fact]:
    """Facts from rows of (key, topic, asks, answer or answers, phrases that count)."""
    facts = []
    for key, topic, asks, answer, must in table:
        answers = (answer,) if isinstance(answer, str) else tuple(answer)
        musts = (must,) if isinstance(must, str) else tuple(must)
        asks = (*asks, *ASKED.get(key, ()))
        facts.append(Fact(key, group, topic, asks, answers, musts))
    return facts


HAND = (
    *read("edgellm", EDGELLM_FACTS),
    *read("quantisation", QUANT_FACTS),
    *read("devices", DEVICE_FACTS),
)
GRID = tuple(read("memory grid", GRID_FACTS))
FITS = tuple(read("what fits", FIT_FACTS))
FACTS = (*HAND, *GRID, *FITS)
BY_KEY = {fact.key: fact for fact in FACTS}


def templates(fact: Fact) -> list[str]:
    """Every question template of a fact, its own ones counted double."""
    own = list(fact.asks)
    if not fact.topic:
        return own
    return [*own, *own, *(text.replace("{t}", f"({fact.topic})") for text in DEFINE)]
