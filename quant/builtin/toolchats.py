"""Chats in which tools are offered: called, answered from, or left alone."""

# ruff: noqa: E501

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import toolbox
import words
from phrasing import dress
from talk import refusal, slots
from toolbox_asked import TOOL_ASKED

Rng = random.Random
Message = dict[str, Any]
Turn = tuple[str, str]
# fmt: off
NOUNS = ["water level", "door status", "queue length", "oil pressure", "fuel level", "signal strength", "wind speed", "noise level", "power use", "flow rate", "engine speed", "light level", "soil moisture", "tank level", "visitor count", "parking space", "opening hours", "waiting time", "delivery date", "rental price", "member count", "exchange rate", "phone number", "serial number", "firmware version", "last login", "account balance", "exam result", "seat count", "train delay", "ticket price", "pollen count", "snow depth", "wave height", "UV index", "traffic level", "gate number", "shift plan", "error count", "uptime", "memory use", "fan state", "filter age", "salary", "birthday", "office", "manager", "title", "rating", "weight", "height", "distance", "capacity", "owner", "version", "size", "score", "rank", "age", "mood", "menu", "schedule"]
KEYS = (
    ("city", "city"), ("station", "invented"), ("device", "code"), ("room", "room"), ("person", "name"), ("employee", "name"), ("line", "number"), ("site", "city"),
    ("machine", "machine"), ("product", "thing"), ("building", "invented"), ("ship", "invented"), ("id", "code"), ("account", "number"), ("team", "invented"), ("school", "invented"),
    ("vehicle", "code"), ("server", "invented"), ("lake", "invented"), ("street", "invented"), ("hotel", "invented"), ("key", "word"), ("country", "country"), ("book", "word"),
)
VERBS = ("get", "read", "fetch", "check", "lookup", "find", "query", "show")
DOINGS = ("start", "stop", "open", "close", "reset", "update", "cancel", "book", "order", "test", "pause", "print", "clear", "move", "mark", "archive", "approve", "paint", "wash", "repair")
NO_TOOL = "I don't know that, and none of the tools I have can answer it."
# fmt: on


class Spec(NamedTuple):
    """One offered tool with a way to ask for it."""

    schema: dict[str, Any]
    names: list[str]
    makers: list[str]
    asks: tuple[str, ...]
    results: dict[str, str]
    answer: str


def make(rng: Rng, kind: str) -> Any:
    """A value for a parameter or a result."""
    if kind.startswith("!"):
        return rng.choice(kind[1:].split(","))
    if kind.startswith("="):
        return kind[1:]
    special = {"@sum": _sum, "@ticker": _ticker, "@topic": _topic, "@song": _song, "@zone": _zone}
    return special[kind](rng) if kind in special else toolbox.MAKERS[kind](rng)


def _sum(rng: Rng) -> str:
    spaced = rng.choice((" ", " ", ""))
    text = str(words.number(rng))
    for _ in range(rng.choice((1, 1, 2))):
        text += f"{spaced}{rng.choice('+-*/')}{spaced}{words.number(rng)}"
    return text


def _ticker(rng: Rng) -> str:
    return "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.randint(2, 5)))


def _topic(rng: Rng) -> str:
    return rng.choice(
        (
            words.word(rng),
            words.invented(rng),
            f"{words.word(rng)} {words.word(rng)}",
            f"{rng.choice(words.THINGS)} in {words.city(rng)}",
        )
    )


def _song(rng: Rng) -> str:
    return rng.choice(
        (
            words.invented(rng),
            f"{words.word(rng)} {words.word(rng)}",
            words.name(rng),
            rng.choice(["jazz", "rock", "classical", "blues", "folk", "pop", "techno"]),
        )
    )


def _zone(rng: Rng) -> str:
    beds = "lawn roses hedge tomatoes flowers beds ferns greenhouse orchard"
    return rng.choice([*beds.split(), words.word(rng)])


def kind_schema(kind: str, about: str) -> dict[str, Any]:
    """The JSON schema of one parameter."""
    name, _, choices = kind.partition(":")
    schema: dict[str, Any] = {"type": "string" if name == "enum" else name}
    if about:
        schema["description"] = about
    if choices:
        schema["enum"] = choices.split(",")
    return schema


def schema_of(
    rng: Rng, name: str, about: str, fields: list[tuple[str, str, str]]
) -> dict[str, Any]:
    """An OpenAI tool; descriptions of parameters are there half of the time."""
    described = rng.random() < 0.5
    properties = {
        field: kind_schema(kind, text if described else "") for field, kind, text in fields
    }
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if rng.random() < 0.8:
        parameters["required"] = list(properties)
    function: dict[str, Any] = {"name": name, "description": about, "parameters": parameters}
    return {"type": "function", "function": function}


def asks_of(row: tuple) -> tuple[str, ...]:
    """Every way to ask for a tool of the table."""
    return (*row[3], *TOOL_ASKED.get(row[0].split("|")[0], ()))


def table_spec(rng: Rng, row: tuple) -> Spec:
    """A tool of the table under one of its names."""
    names, about, params, _, results, answer = row
    fields, taken = [], set()
    for options, kind, text, _ in params:
        free = [option for option in options.split("|") if option not in taken]
        field = free[0] if rng.random() < 0.65 else rng.choice(free)
        taken.add(field)
        fields.append((field, kind, rng.choice(text.split("|"))))
    known = names.split("|")
    name = known[0] if rng.random() < 0.5 else rng.choice(known)
    makers = [param[3] for param in params]
    return Spec(
        schema_of(rng, name, rng.choice(about.split("|")), fields),
        [f[0] for f in fields],
        makers,
        asks_of(row),
        results,
        answer,
    )


def procedural_spec(rng: Rng) -> Spec:
    """A tool made up on the spot, so that the schema has to be read."""
    key, maker = rng.choice(KEYS)
    kind = "integer" if maker == "number" else "string"
    if rng.random() < 0.6:
        noun = rng.choice(NOUNS)
        name = rng.choice(
            (f"{rng.choice(VERBS)}_{noun.replace(' ', '_')}", noun.replace(" ", "_"))
        ).lower()
        asks = (
            f"(what is|what's|tell me|show me|give me) the {noun} (of|for|at) ({key} |){{0}}?",
            f"{noun} (of|for|at) ({key} |){{0}}?",
            f"(check|look up|get|find) the {noun} (of|for) ({key} |){{0}}.",
            f"I need the {noun} of ({key} |){{0}}.",
        )
        about = rng.choice(
            (f"Get the {noun} of a {key}", f"The {noun} of one {key}", f"Look up the {noun}")
        )
        result, answer = (
            {noun.replace(" ", "_"): "number"},
            f"The {noun} of {{0}} is {{{noun.replace(' ', '_')}}}.",
        )
    else:
        verb = rng.choice(DOINGS)
        name = rng.choice((f"{verb}_{key}", f"{key}_{verb}", f"{verb}_the_{key}"))
        asks = (
            f"{verb} ({key} |the {key} |){{0}}( please| now|).",
            f"(please|can you|I want to) {verb} ({key} |){{0}}.",
        )
        about = rng.choice((f"{verb.capitalize()} a {key}", f"{verb.capitalize()} one {key}"))
        result, answer = {"status": "!done,ok,started"}, f"The {key} {{0}}: {{status}}."
    return Spec(
        schema_of(rng, name, about, [(key, kind, f"The {key}")]),
        [key],
        [maker],
        asks,
        result,
        answer,
    )


def invented_spec(rng: Rng) -> Spec:
    """A tool of two or three invented fields; the question names them."""
    name = f"{words.invented(rng, 2).lower()}_{words.invented(rng, 2).lower()}"
    fields = list(dict.fromkeys(words.invented(rng, 2).lower() for _ in range(rng.randint(1, 2))))
    kinds = [rng.choice(("string", "integer")) for _ in fields]
    makers = [
        "number" if kind == "integer" else rng.choice(("invented", "name", "city", "word", "code"))
        for kind in kinds
    ]
    told = " and ".join(f"{field} {{{at}}}" for at, field in enumerate(fields))
    asks = (f"(call|use|run) {name} with {told}.", f"{name.replace('_', ' ')} with {told}.")
    schema = schema_of(
        rng,
        name,
        f"Run {name.replace('_', ' ')}",
        [(f, k, f"The {f}") for f, k in zip(fields, kinds, strict=True)],
    )
    return Spec(schema, fields, makers, asks, {"result": "number"}, "The result is {result}.")


def spec(rng: Rng) -> Spec:
    """Any tool."""
    draw = rng.random()
    if draw < 0.76:
        return table_spec(rng, rng.choice(toolbox.TOOLS))
    return procedural_spec(rng) if draw < 0.96 else invented_spec(rng)


def offer(rng: Rng, count: int, first: Callable[[Rng], Spec] = spec) -> list[Spec]:
    """Several different tools, the first one made by `first`."""
    specs = [first(rng)]
    while len(specs) < count:
        other = spec(rng)
        if not {words_of(other)} & {words_of(one) for one in specs} and other.asks not in [
            s.asks for s in specs
        ]:
            specs.append(other)
    return specs


def words_of(one: Spec) -> str:
    """The name a tool is known by."""
    return str(one.schema["function"]["name"])


def values_of(rng: Rng, one: Spec) -> list[Any]:
    """Fresh values for the parameters of a tool."""
    values: list[Any] = []
    for maker in one.makers:
        value = make(rng, maker)
        while value in values:
            value = make(rng, maker)
        values.append(value)
    return values


def ask_of(rng: Rng, one: Spec, values: list[Any], plain: bool = False) -> str:
    """A question that needs the tool."""
    text = words.expand(rng, rng.choice(one.asks))
    if not plain:
        text = dress(rng, text, slips=False)
    if "{0}" not in text and values:
        text = words.expand(rng, rng.choice(one.asks))
    return fill(text, values)


def fill(text: str, values: list[Any]) -> str:
    """Put values into `{0}`, `{1}`."""
    for at, value in enumerate(values):
        text = text.replace(f"{{{at}}}", str(value))
    return text


def call(one: Spec, values: list[Any]) -> dict[str, Any]:
    """The call as an OpenAI message has it."""
    return {
        "type": "function",
        "function": {"name": words_of(one), "arguments": dict(zip(one.names, values, strict=True))},
    }


def closing(rng: Rng, one: Spec, values: list[Any]) -> tuple[str, str]:
    """A tool's result and the sentence that tells it."""
    results = {key: make(rng, kind) for key, kind in one.results.items()}
    if rng.random() < 0.15:
        text = str(
            rng.choice(
                (
                    words.number(rng),
                    words.invented(rng),
                    make(rng, "sentence"),
                    f"{words.number(rng)} {words.word(rng)}",
                )
            )
        )
        return text, f"The result is {text}."
    if rng.random() < 0.15:
        results = {
            words.word(rng): rng.choice((words.number(rng), words.invented(rng)))
            for _ in range(rng.randint(1, 2))
        }
        return json.dumps(results), "The result is " + " and ".join(
            f"{k} {v}" for k, v in results.items()
        ) + "."
    answer = fill(one.answer, values)
    for key, value in results.items():
        answer = answer.replace(f"{{{key}}}", str(value))
    if rng.random() < 0.15:
        results = {**dict(zip(one.names, values, strict=True)), **results}
    return json.dumps(results, ensure_ascii=False), answer


def used(rng: Rng, specs: list[Spec]) -> list[Message]:
    """A question, the call, and mostly the result and the answer."""
    one = specs[0]
    values = values_of(rng, one)
    messages: list[Message] = [{"role": "user", "content": ask_of(rng, one, values)}]
    messages.append({"role": "assistant", "content": None, "tool_calls": [call(one, values)]})
    if rng.random() < 0.5:
        result, answer = closing(rng, one, values)
        messages += [{"role": "tool", "content": result}, {"role": "assistant", "content": answer}]
    return messages


def twice(rng: Rng, specs: list[Spec]) -> list[Message]:
    """One question that needs two calls."""
    one, other = specs[0], rng.choice(specs)
    pairs = [(one, values_of(rng, one)), (other, values_of(rng, other))]
    asks = [ask_of(rng, *pair, plain=True).rstrip("?.!") for pair in pairs]
    text = rng.choice((" and ", ", and ", ". Then ", ". Also, ")).join(asks)
    calls = [call(*pair) for pair in pairs]
    ends = [closing(rng, *pair) for pair in pairs]
    messages: list[Message] = [
        {"role": "user", "content": f"{text[:1].upper()}{text[1:]}."},
        {"role": "assistant", "content": None, "tool_calls": calls},
    ]
    if rng.random() < 0.5:
        messages += [{"role": "tool", "content": end[0]} for end in ends]
        messages.append({"role": "assistant", "content": " ".join(end[1] for end in ends)})
    return messages


def unfit(rng: Rng, specs: list[Spec]) -> list[Message]:
    """A question that no offered tool answers."""
    text = refusal(rng)[0]
    if rng.random() < 0.6:
        other = offer(rng, len(specs) + 1)[-1]
        if words_of(other) in {words_of(one) for one in specs} or other.asks in [
            s.asks for s in specs
        ]:
            return used(rng, specs)
        text = ask_of(rng, other, values_of(rng, other))
    elif overlap(text, specs):
        return used(rng, specs)
    return [{"role": "user", "content": text}, {"role": "assistant", "content": NO_TOOL}]


def overlap(text: str, specs: list[Spec]) -> bool:
    """Whether a question of common knowledge may be one for the tools offered."""
    names = " ".join(json.dumps(one.schema) for one in specs).lower()
    hints = "weather capital people population price time calcul search web news translat currency define dictionary restaurant route forecast stock cost express"
    return any(hint in names for hint in hints.split())


def several(rng: Rng, specs: list[Spec]) -> list[Message]:
    """One to five questions for the tools offered, so that a schema is read more than once."""
    messages: list[Message] = []
    for _ in range(rng.choice((1, 2, 3, 4, 5))):
        rng.shuffle(specs)
        messages += twice(rng, specs) if rng.random() < 0.06 else used(rng, specs)
    return messages


def chat(rng: Rng, filler: Callable[[Rng], Turn]) -> tuple[list[Message], list[dict]]:
    """Messages and the tools offered in them."""
    specs = offer(rng, rng.choice((1, 1, 2, 2, 2, 3, 3, 4)))
    offered = [one.schema for one in specs]
    rng.shuffle(offered)
    draw = rng.random()
    messages = talked(filler(rng)) if rng.random() < 0.12 else []
    if draw < 0.76:
        messages += several(rng, specs)
    elif draw < 0.9:
        messages += unfit(rng, specs)
    if draw > 0.88 or rng.random() < 0.2:
        messages += talked(filler(rng))
    if rng.random() < 0.12:
        messages += unfit(rng, specs)
    return messages, offered


def talked(turn: Turn) -> list[Message]:
    """A plain turn as messages."""
    return [{"role": "user", "content": turn[0]}, {"role": "assistant", "content": turn[1]}]


__all__ = ["chat", "slots"]
