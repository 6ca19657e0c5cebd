"""Chats in which something said earlier is asked for later, and plain copying."""

# ruff: noqa: E501

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import NamedTuple

import words
from phrasing import dress

Rng = random.Random
Turn = tuple[str, str]


class Trait(NamedTuple):
    """Something that a user may say of themselves, and how it is asked for."""

    key: str
    value: Callable[[Rng], str]
    tells: tuple[str, ...]
    asks: tuple[str, ...]
    answer: str
    nice: str


def _pick(pool: list[str] | tuple[str, ...]) -> Callable[[Rng], str]:
    return lambda rng: rng.choice(pool)


def _mixed(pool: list[str]) -> Callable[[Rng], str]:
    return lambda rng: rng.choice(pool) if rng.random() < 0.5 else words.invented(rng, 3).lower()


def _number(rng: Rng) -> str:
    return str(words.number(rng))


def thing(key: str, label: str, value: Callable[[Rng], str], *more: str) -> Trait:
    """A trait of the form `my <label> is <value>`."""
    tells = (
        f"my ({label}) is {{v}}.",
        f"(please |)remember that my ({label}) is {{v}}.",
        f"(note|remember): my ({label}) is {{v}}.",
        f"{{v}} is my ({label}).",
        f"by the way, my ({label}) is {{v}}.",
        f"the ({label}) is {{v}}.",
        f"(our|from now on my|today my|now my) ({label}) is (the |){{v}}.",
        f"my ({label}) (will be|was always|must be|has to be|turns out to be|would be) (the |){{v}}.",
        f"(as|for) my ({label}) (take|use|note|put|keep) {{v}}.",
        f"({label}): {{v}}",
        f"(I have|I got|they gave me|mine is) ({label}) {{v}}.",
        f"(I have|I chose|I picked) {{v}} as my ({label}).",
        *more,
    )
    asks = (
        f"(what is|what's|what was|which is) my ({label})?",
        f"(do|can) you (remember|recall|still know) my ({label})?",
        f"(tell me|say|repeat|remind me of) my ({label}).",
        f"(which|what) ({label}) did I (tell you|give you|mention|say)?",
        f"what did I say my ({label}) (is|was)?",
        f"(I forgot|I forget|I can't remember) my ({label}). What (is|was) it?",
        f"(and |)my ({label})?",
        f"(could|can|would) you (tell me|repeat|name|give me) my ({label})( again|)?",
        f"what ({label}) (have I|do I have)?",
        f"(give|read|name) me (back |)my ({label})( please|).",
        f"(which|what) is the ({label})( again|)?",
        f"(what|which) ({label}) (should you|did you|were you to) (remember|keep|note)?",
        f"so (what is|what's) my ({label})?",
        f"do you know my ({label})?",
        f"(what|which) ({label}) did we (choose|settle on|use|say|take)?",
        f"(do|can) you (recall|remember|repeat|tell me) (our|the) ({label})?",
        f"(say|tell me|repeat|give me) (our|the) ({label})( again|).",
        f"(which|what) (was|is) (our|my) ({label})( again|)?",
        f"(what is|what's) the ({label})( I told you| I mentioned|)?",
    )
    plain = label.split("|")[0]
    return Trait(key, value, tells, asks, f"Your {plain} is {{v}}.", f"your {plain} is {{v}}")


# fmt: off
TRAITS = (
    Trait("name", words.name, (
        "(my name is|my name's|I am|I'm|I'm called|call me|this is|people call me|you can call me|they call me) {v}.",
        "(hi|hello|hey)(,|!|) (my name is|I am|I'm|this is) {v}(.|!|)", "my name is {v}.", "my name is {v}, nice to meet you.",
        "{v} is my name.", "(everyone calls|my friends call|they always call) me {v}.", "(I was named|my parents named me|I bear the name) {v}.", "it's {v} (here|again).", "please call me {v} from now on.", "the person typing is {v}.", "(note|remember) my name: {v}.", "I'd like to introduce myself: {v}.", "(user|name): {v}", "(hi|hello), {v} here.", "the name is {v}.", "my (first |)name is {v}, remember (it|that).", "I go by {v}.",
    ), (
        "(what is|what's|whats|what was) my name?", "who am I?", "(do|can) you (remember|recall|know|still know) (my name|who I am|what I am called)?",
        "(tell|remind) me (my name|of my name|what my name is).", "say my name.", "what (am I|was I) called?", "how am I called?",
        "what did I say my name (is|was)?", "(what|which) name did I (give|tell|say|use)( you|)?", "I forgot my name. What is it?",
        "(can|could|would) you (say|repeat|tell me) my name( again| please|)?", "what do you call me?", "what should you call me?",
        "my name?", "and my name?", "(what is|which is|what was) the name I (gave|told) you?", "(do|can) you still (know|say|tell) what I'm called?", "tell me who I am.", "(repeat|state|write) my name.", "(what|who) did I say I (was|am)?", "under (what|which) name do you know me?", "(what|which) is my name (again|now)?", "how did I introduce myself?", "by (what|which) name (would|will|should) you address me?", "who is (talking|writing) (to you|here)?", "(do|can) you (say|tell) who (is writing|is talking|I am)?", "(any idea|would you know) what my name is?", "(can|could) you (guess|find out|work out|figure out) my name?", "(what|how) do people call me?", "who are you talking to?", "have I told you my name?", "do you know my name?",
    ), "Your name is {v}.", "your name is {v}"),
    Trait("city", words.city, (
        "I (live|am living|am based|stay) in {v}.", "I (come|am) from {v}.", "my (city|home town|home) is {v}.", "I'm from {v}.", "I moved to {v} (last year|recently|a while ago).", "I (reside|dwell|have a flat|have a house|am at home) in {v}.", "{v} is (where I live|my home|my city|the place I live in).", "we live in {v}.",
    ), (
        "where do I live?", "(what|which) (city|town) (do I live in|am I from|did I mention|is my home)?", "where am I from?", "do you (remember|know|recall) where I (live|am from)?",
        "(what is|what's) my (city|home town|home)?", "(tell me|remind me) where I live.", "in (which|what) city do I live?", "where (is|was) my home( again|)?", "what is the name of (my city|my town|the place where I live)?", "(what|which) place do I live in?", "(please |)say where I live.", "(which|what) (town|city|place) is (mine|my home)?", "where did I say (I live|I am from|my home is)?", "and where do I live?",
    ), "You live in {v}.", "you live in {v}"),
    thing("colour", "favourite colour|favorite color|favourite color", _mixed(words.COLOURS), "I (like|love) {v} most of all colours.", "I love the colour {v}."),
    thing("food", "favourite food|favorite food|favourite dish", _mixed(words.FOODS), "I (love|like) to eat {v}."),
    thing("animal", "favourite animal|favorite animal", _mixed(words.ANIMALS)),
    thing("number", "favourite number|lucky number|favorite number", _number),
    thing("kept", "number", _number, "(keep|hold|store) (the number|this number:) {v}( for me| in mind|).", "(please |)(memorise|don't forget) the number {v}.", "the number (is|to remember is) {v}."),
    thing("word", "word", words.word, "(keep|hold|store|memorise) (the word|this word:) {v}( for me|).", "the word (is|to remember is) {v}."),
    thing("codeword", "code word|codeword|secret word|password", words.word, "(the secret word|the code word|the password) is {v}.", "remember (the word|this word:) {v}."),
    thing("code", "code|access code|booking code|ticket|order number", words.code, "(remember|note) (this|the|my) code: {v}."),
    thing("pin", "PIN|room number|locker number|seat|phone extension", _number, "remember (this|the) number: {v}.", "remember the number {v}."),
    thing("job", "job|profession", _mixed(words.JOBS), "I (work as a|am a) {v}.", "I'm a {v}."),
    thing("device", "device|board|machine", _pick(words.DEVICES), "I (have|own|bought|use) a {v}.", "I run you on a {v}.", "I'm using a {v}."),
    Trait("pet", words.name, (
        "(my|our) (dog|cat|pet)( is called|'s name is| is named) {v}.", "we (have|own|got) a (dog|cat|pet|puppy) (called|named|with the name) {v}.", "the name of my (dog|cat|pet) is {v}.", "I have a (dog|cat|pet) (called|named) {v}.", "my pet's name is {v}.",
    ), (
        "(what is|what's) (my pet|my pet's name|the name of my pet) (called|)?", "what is the name of my (pet|dog|cat)?", "what is my (pet|dog|cat) called?", "do you remember my pet's name?", "what's my pet's name?", "how is my pet called?",
    ), "Your pet is called {v}.", "your pet is called {v}"),
    Trait("sister", words.name, (
        "my sister( is called|'s name is| is named) {v}.", "I have a sister (called|named) {v}.",
    ), (
        "what is (my sister|my sister's name|the name of my sister)?", "what is my sister called?", "who is my sister?", "what is the name of my sister?", "do you remember my sister's name?",
    ), "Your sister is called {v}.", "your sister is called {v}"),
    Trait("brother", words.name, (
        "my brother( is called|'s name is| is named) {v}.", "I have a brother (called|named) {v}.",
    ), (
        "what is my brother's name?", "what is my brother called?", "who is my brother?", "what is the name of my brother?", "do you remember my brother's name?",
    ), "Your brother is called {v}.", "your brother is called {v}"),
    Trait("age", lambda rng: str(rng.randint(8, 97)), (
        "I am {v} years old.", "I'm {v}.", "I'm {v} years old.", "my age is {v}.",
    ), ("how old am I?", "(what is|what's) my age?", "do you (know|remember) (how old I am|my age)?", "(tell me|remind me) how old I am."),
     "You are {v} years old.", "you are {v} years old"),
    thing("project", "project|robot|boat|server|computer", words.invented, "my (project|robot|boat|server|computer) is called {v}."),
    thing("teacher", "teacher|boss|neighbour|friend|doctor", words.name, "my (teacher|boss|neighbour|friend|doctor) is called {v}."),
)
# fmt: on
BY_KEY = {trait.key: trait for trait in TRAITS}
APART = ("name", "city", "colour", "food", "animal", "pin", "job", "pet", "age")
UNTOLD = {
    "name": "your name",
    "city": "where you live",
    "pet": "your pet's name",
    "age": "your age",
}
ACKS = (
    "I will remember that.",
    "Noted.",
    "Thank you, I will remember that.",
    "All right, I will keep that in mind.",
)
BRIEF = ("Hello, {v}! How can I help you?", "Nice to meet you, {v}.", "Hello, {v}.")


def told(rng: Rng, trait: Trait) -> tuple[Trait, str, str, str]:
    """A trait with a value and the sentence that tells it; labels of a `thing` are made one."""
    value = trait.value(rng)
    tell = words.expand(rng, rng.choice(trait.tells)).replace("{v}", value)
    return trait, value, tell, ""


def acknowledge(rng: Rng, trait: Trait, value: str) -> str:
    """What the model says on hearing it."""
    if trait.key == "name" and rng.random() < 0.7:
        return rng.choice(BRIEF).replace("{v}", value)
    if rng.random() < 0.4:
        return f"I will remember that {trait.nice.replace('{v}', value)}."
    return rng.choice(ACKS)


def question(rng: Rng, trait: Trait, value: str) -> Turn:
    """The later question and its answer."""
    ask = dress(rng, words.expand(rng, rng.choice(trait.asks)), slips=False)
    return ask, trait.answer.replace("{v}", value)


def same_label(rng: Rng, trait: Trait) -> Trait:
    """For a trait of several labels, fix one of them throughout a chat."""
    if trait.key in {"pin", "project", "teacher", "code"}:
        labels = trait.tells[0].split("(")[1].split(")")[0].split("|")
        label = rng.choice(labels)
        return thing(trait.key, label, trait.value)
    return trait


def tell_turn(rng: Rng, trait: Trait, value: str) -> Turn:
    """The user tells a trait, the model acknowledges."""
    tell = words.expand(rng, rng.choice(trait.tells)).replace("{v}", value)
    if rng.random() < 0.75:
        tell = tell[:1].upper() + tell[1:]
    if rng.random() < 0.2:
        tell = tell.rstrip(".")
    return tell, acknowledge(rng, trait, value)


def chat(rng: Rng, filler: Callable[[Rng], Turn], most: int = 3) -> list[Turn]:
    """Traits told, other talk, then questions on them."""
    chosen = [
        same_label(rng, trait) for trait in rng.sample(TRAITS, rng.choice((1, 1, 1, 2, 2, 3)))
    ]
    if rng.random() < 0.35 and all(trait.key != "name" for trait in chosen):
        chosen[0] = BY_KEY["name"]
    pairs = [(trait, trait.value(rng)) for trait in chosen]
    turns = (
        told_together(rng, pairs)
        if rng.random() < 0.25
        else [tell_turn(rng, *pair) for pair in pairs]
    )
    turns += [filler(rng) for _ in range(rng.randint(0, most) if rng.random() < 0.7 else 0)]
    pairs, extra = maybe_correct(rng, pairs)
    turns += extra
    for pair in rng.sample(pairs, rng.randint(1, len(pairs))):
        turns.append(question(rng, *pair))
        turns += [filler(rng)] if rng.random() < 0.15 else []
    return turns


def told_together(rng: Rng, pairs: list[tuple[Trait, str]]) -> list[Turn]:
    """Several traits in one message."""
    tells = [tell_turn(rng, *pair)[0].rstrip(".!") for pair in pairs]
    text = ". ".join(tells) if rng.random() < 0.6 else " and ".join(tells)
    return [(f"{text}.", acknowledge(rng, *pairs[0]))]


def maybe_correct(
    rng: Rng, pairs: list[tuple[Trait, str]]
) -> tuple[list[tuple[Trait, str]], list[Turn]]:
    """Sometimes the user corrects one of the values."""
    if rng.random() > 0.15:
        return pairs, []
    trait, _ = pairs[0]
    value = trait.value(rng)
    tell = tell_turn(rng, trait, value)[0]
    opening = rng.choice(
        (
            "Sorry, I was wrong: ",
            "Actually, ",
            "Correction: ",
            "No wait, ",
            "I made a mistake, ",
            "Actually no, ",
        )
    )
    return [(trait, value), *pairs[1:]], [
        (opening + tell, f"All right: {trait.nice.replace('{v}', value)}.")
    ]


def at_once(rng: Rng, filler: Callable[[Rng], Turn]) -> list[Turn]:
    """Told and asked in one message."""
    trait = same_label(rng, rng.choice(TRAITS))
    value = trait.value(rng)
    tell = tell_turn(rng, trait, value)[0].rstrip(".!")
    ask, answer = question(rng, trait, value)
    return [(f"{tell}. {ask}", answer)]


def unknown(rng: Rng, filler: Callable[[Rng], Turn]) -> list[Turn]:
    """Asked for something that was never told."""
    asked, other = (same_label(rng, BY_KEY[key]) for key in rng.sample(APART, 2))
    turns = [] if rng.random() < 0.6 else [tell_turn(rng, other, other.value(rng))]
    turns += [filler(rng) for _ in range(rng.choice((0, 0, 1, 2)))]
    ask, _ = question(rng, asked, "@")
    label = asked.answer.split(" is ")[0].replace("Your ", "your ")
    said = UNTOLD.get(asked.key, label)
    return [*turns, (ask, f"You have not told me {said}.")]


def random_text(rng: Rng) -> str:
    """Something to copy: words, names, numbers, letters or codes."""
    kind = rng.randrange(6)
    count = rng.choice((1, 2, 3, 4, 6, 8, 12))
    if kind == 0:
        return " ".join(words.word(rng) for _ in range(count))
    if kind == 1:
        return " ".join(words.name(rng) for _ in range(min(count, 4)))
    if kind == 2:
        return ", ".join(str(words.number(rng)) for _ in range(count))
    if kind == 3:
        return "".join(
            rng.choice(string.ascii_letters + string.digits) for _ in range(rng.randint(3, 12))
        )
    if kind == 4:
        return " ".join(words.code(rng) for _ in range(min(count, 3)))
    return " ".join(
        rng.choice((words.name, words.word, words.city, words.code, _number))(rng)
        for _ in range(count)
    )


REPEATS = (
    "(repeat|say|repeat after me|say after me|write|copy|echo|type)(:|) {v}",
    "(please |)(repeat|say|copy|write) (this|the following|these words|exactly this): {v}",
    "(can|could) you (repeat|say|copy) (this|that): {v}",
    "{v} - (repeat that|say that again|copy it|repeat it).",
    "copy this text: {v}",
)


def repeat(rng: Rng, filler: Callable[[Rng], Turn]) -> list[Turn]:
    """Plain copying."""
    turns = []
    for _ in range(rng.randint(1, 3)):
        text = random_text(rng)
        turns.append((words.expand(rng, rng.choice(REPEATS)).replace("{v}", text), text))
    return turns


def table(rng: Rng, filler: Callable[[Rng], Turn]) -> list[Turn]:
    """Several people or things with values, one of them asked for: look-up by key."""
    makers = rng.choice(
        (
            (words.name, _number),
            (words.name, words.city),
            (words.word, _number),
            (words.name, words.word),
            (words.word, words.code),
        )
    )
    rows = {makers[0](rng): makers[1](rng) for _ in range(rng.randint(2, 5))}
    verb = rng.choice(("has", "is", "gets", ":", "->", "="))
    told_rows = [
        f"{key}{verb} {value}" if verb == ":" else f"{key} {verb} {value}"
        for key, value in rows.items()
    ]
    intro = rng.choice(("", "", "Remember this list: ", "Here is a list: ", "Note: "))
    text = intro + rng.choice((", ", "; ", "\n", ". ")).join(told_rows) + "."
    key = rng.choice(list(rows))
    asks = (
        "what (does|is it that) {k} (have|get)?",
        "(and |)what about {k}?",
        "what is (the value|it) for {k}?",
        "(what|which value) belongs to {k}?",
        "{k}?",
    )
    answer = f"{key}: {rows[key]}."
    ask = words.expand(rng, rng.choice(asks)).replace("{k}", key)
    ask = ask[:1].upper() + ask[1:] if ask[0].islower() and not ask.startswith(key) else ask
    turns = (
        [(f"{text} {ask}", answer)]
        if rng.random() < 0.4
        else [(text, rng.choice(ACKS)), (ask, answer)]
    )
    others = [name for name in rows if name != key]
    for name in rng.sample(others, min(len(others), rng.randint(0, 2))):
        turns.append((f"And {name}?", f"{name}: {rows[name]}."))
    return turns


def induction(rng: Rng) -> tuple[str, str]:
    """A random list, and the list again from some place on: it teaches to copy."""
    makers = rng.choice(
        (
            (words.name,),
            (words.word,),
            (words.code,),
            (_number,),
            (words.city, words.code),
            (words.name, words.word, words.code, _number),
        )
    )
    items = [rng.choice(makers)(rng) for _ in range(rng.randint(4, 14))]
    mark = rng.choice((" ", ", ", "\n", "; ", " - "))
    start = rng.randrange(len(items) // 2)
    return mark.join(items) + "\n\n", mark.join(items[start:])


KINDS = (*[chat] * 9, at_once, unknown, repeat, repeat, table)
