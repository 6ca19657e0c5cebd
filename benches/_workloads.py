"""The workloads: what clients do, and what is measured of it. Seconds and tokens per second.

Each takes a client, a writer of fresh texts and the sizes, and gives its figures by name. No two
calls share a prompt, but where sharing is the point, so nothing of an earlier call is cached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, TypeAlias

from benches._load import Answer, Client, Message
from benches._prompts import Writer
from benches._stats import gaps, median, percentile


class Sizes(NamedTuple):
    """Lengths in tokens; all together they fit a context of 2,048 tokens for each sequence."""

    clients: int = 8
    prompt: int = 256
    system: int = 1000
    question: int = 32
    answer: int = 64
    copied: int = 160
    conversations: int = 12
    turns: int = 4
    in_flight: int = 1  # conversations of the rotation that are answered at the same time


QUICK = Sizes(
    clients=3, prompt=24, system=60, question=8, answer=8, copied=24, conversations=4, turns=2
)

Figures: TypeAlias = dict[str, float]
Workload: TypeAlias = Callable[[Client, Writer, Sizes], Awaitable[Figures]]


async def tokens_per_word(client: Client) -> float:
    """How many tokens the server's model makes of a word of ours, without those of the template."""
    writer = Writer(seed=0)
    short, long = [await client.chat([_user(writer.text(n))], 1) for n in (20, 120)]
    return max(0.1, (long.num_prompt - short.num_prompt) / 100)


async def single(client: Client, writer: Writer, sizes: Sizes) -> Figures:
    """One client."""
    answer = await client.chat([_user(writer.text(sizes.prompt))], sizes.answer)
    return {
        "ttft_seconds": answer.ttft,
        "decode_tokens_per_second": answer.decode_tokens_per_second,
    }


async def unique(client: Client, writer: Writer, sizes: Sizes) -> Figures:
    """Prompts that share nothing, all at once."""
    prompts = [_user(writer.text(sizes.prompt)) for _ in range(sizes.clients)]
    answers = await asyncio.gather(*(client.chat([p], sizes.answer) for p in prompts))
    return {
        "tokens_per_second": sum(a.num_tokens for a in answers) / _seconds(answers),
        "gap_p95_seconds": percentile((g for a in answers for g in gaps(a.arrivals)), 95),
        "ttft_p50_seconds": median(a.ttft for a in answers),
    }


async def shared(client: Client, writer: Writer, sizes: Sizes) -> Figures:
    """A long system prompt, computed once; then all clients ask something under it at once."""
    system = _system(writer, sizes)
    cold = await client.chat([system, _user(writer.text(sizes.question))], 1)
    chats = [[system, _user(writer.text(sizes.question))] for _ in range(sizes.clients)]
    answers = await asyncio.gather(*(client.chat(chat, sizes.answer) for chat in chats))
    return {
        "ttft_p50_seconds": median(a.ttft for a in answers),
        "ttft_cold_seconds": cold.ttft,
        "tokens_per_second": sum(a.num_tokens for a in answers) / _seconds(answers),
        **cached(answers),
    }


async def rotation(client: Client, writer: Writer, sizes: Sizes) -> Figures:
    """More conversations than sequences; each turn goes round all of them before the next."""
    chats: list[list[Message]] = [[] for _ in range(sizes.conversations)]
    gate = asyncio.Semaphore(sizes.in_flight)

    async def turn(chat: list[Message], length: int) -> Answer:
        chat.append(_user(writer.text(length)))
        async with gate:
            answer = await client.chat(chat, sizes.answer)
        chat.append({"role": "assistant", "content": answer.text})
        return answer

    await asyncio.gather(*(turn(chat, sizes.prompt) for chat in chats))
    later = [
        await asyncio.gather(*(turn(chat, sizes.question) for chat in chats))
        for _ in range(sizes.turns - 1)
    ]
    answers = [answer for round_ in later for answer in round_]
    return {"ttft_p50_seconds": median(a.ttft for a in answers), **cached(answers)}


async def copy(client: Client, writer: Writer, sizes: Sizes) -> Figures:
    """The prompt holds a text and then its beginning, which a model goes on with."""
    (text,) = writer.distinct(sizes.copied)
    beginning = " ".join(text.split()[: sizes.question])
    answer = await client.complete(f" {text}\n {beginning}", sizes.copied - sizes.question)
    rest = text.split()[sizes.question :]
    pairs = list(zip(answer.text.split(), rest, strict=False))
    return {
        "decode_tokens_per_second": answer.decode_tokens_per_second,
        "copied_fraction": sum(ours == theirs for ours, theirs in pairs) / max(1, len(pairs)),
    }


async def other(client: Client, writer: Writer, sizes: Sizes) -> Figures:
    """The same lengths, but the prompt's end is nowhere else in it."""
    text, ending = writer.distinct(sizes.copied, sizes.question)
    answer = await client.complete(f" {text}\n {ending}", sizes.copied - sizes.question)
    written = answer.text.split()
    return {
        "decode_tokens_per_second": answer.decode_tokens_per_second,
        "repeated_fraction": 1 - len(set(written)) / max(1, len(written)),
    }


WORKLOADS: dict[str, Workload] = {
    "single": single,
    "unique": unique,
    "shared": shared,
    "rotation": rotation,
    "copy": copy,
    "other": other,
}


async def questions(
    client: Client, sizes: Sizes, system: Writer, writer: Writer, count: int
) -> list[Answer]:
    """Questions one after the other, all under the text that `system` writes first."""
    prompt = _system(system, sizes)
    return [
        await client.chat([prompt, _user(writer.text(sizes.question))], 1) for _ in range(count)
    ]


def _system(writer: Writer, sizes: Sizes) -> Message:
    return {"role": "system", "content": writer.text(sizes.system)}


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _seconds(answers: Iterable[Answer]) -> float:
    found = list(answers)
    return max(a.ended for a in found) - min(a.asked for a in found)


def cached(answers: Iterable[Answer]) -> Figures:
    """Tokens of each prompt that were not computed again, where the server tells."""
    counts = [answer.num_cached for answer in answers if answer.num_cached is not None]
    return {"cached_tokens_p50": median(counts)} if counts else {}
