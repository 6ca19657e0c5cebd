"""How a question is typed: prefixes, case, punctuation and slips."""

# ruff: noqa: E501

from __future__ import annotations

import random

# fmt: off
PREFIXES = (
    "hey, ", "hi, ", "hello, ", "please: ", "quick question: ", "pocket, ", "tell me, ", "so, ", "ok, ",
    "one question: ", "Hi! ", "Hello! ", "I wonder, ", "by the way, ", "now, ", "also, ", "thanks. ", "and ",
    "just curious: ", "question: ", "Good morning! ", "I have a question. ", "Sorry, ", "alright, ",
)
SUFFIXES = (
    " please", " Thanks!", " thanks", " thank you", " I need to know.", " Please be brief.", " pls", " :)",
    " I am new to this.", " Just curious.", "??", " Answer briefly.",
)
INTROS = (
    "I am setting up a new board. ", "A friend asked me: ", "For a report: ", "My boss wants to know: ", "I read a lot about this. ", "We talked about this at work. ", "I am a beginner. ",
    "Let me ask you something. ", "I am not sure about this: ", "Here is what I want to know: ", "Next question: ", "One more thing: ", "I am confused. ", "My colleague wonders: ",
)
STOPS = frozenset(["what", "is", "are", "the", "a", "an", "how", "does", "do", "of", "for", "i", "to", "me", "can", "you", "please", "in", "on", "my", "it", "s", "tell", "about", "explain", "give", "would", "could", "will", "that", "this", "which", "and", "or", "with", "at", "so"])
LITERALS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_start|>system", "</s>", "<|im_end|> ")
# fmt: on


def slip(rng: random.Random, text: str) -> str:
    """One typing slip: two letters swapped, or one letter lost or doubled."""
    spots = [
        i for i in range(1, len(text) - 2) if text[i : i + 2].isalpha() and text[i - 1].isalpha()
    ]
    if not spots:
        return text
    at = rng.choice(spots)
    return (
        text[:at]
        + rng.choice((text[at + 1] + text[at], text[at], text[at] * 2 + text[at + 1]))
        + text[at + 2 :]
    )


def terse(text: str) -> str:
    """Only the words that carry the meaning, as in a search."""
    kept = [word for word in text.rstrip("?.! ").split() if word.lower().strip("?,.") not in STOPS]
    return " ".join(kept) if len(kept) > 1 else text


def dress(rng: random.Random, text: str, slips: bool = True) -> str:
    """A question as somebody might type it."""
    if slips and rng.random() < 0.06:
        text = terse(text)
    if rng.random() < 0.08:
        text = rng.choice(INTROS) + text[:1].upper() + text[1:]
    elif rng.random() < 0.25:
        text = rng.choice(PREFIXES) + text
    elif rng.random() < 0.7 and not text.startswith("`"):
        text = text[:1].upper() + text[1:]
    if rng.random() < 0.2:
        text = text.rstrip("?.! ")
    if rng.random() < 0.12:
        text += rng.choice(SUFFIXES)
    if slips and rng.random() < 0.08:
        text = slip(rng, text)
    return finish(rng, text)


def finish(rng: random.Random, text: str) -> str:
    """Rare oddities: lower case, blanks around, and literal control words."""
    draw = rng.random()
    if draw < 0.06:
        return text.lower()
    if draw < 0.08:
        return rng.choice((f"{text} ", f" {text}", f"{text}\n", text.replace(" ", "  ", 1)))
    if draw < 0.09:
        return rng.choice(LITERALS) + text if rng.random() < 0.5 else text + rng.choice(LITERALS)
    return text
