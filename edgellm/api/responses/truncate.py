"""`truncation: auto`: the oldest messages go until the rest fits the model's context.

System messages stay, and so does the newest turn; a tool's result goes with its call.
"""

from __future__ import annotations

from msgspec.structs import replace

from edgellm.serving.router import Router
from edgellm.types import GenerateRequest, Message

_ANSWER_TOKENS = 256  # room for an answer of which nobody said how long it may be


async def fitted(router: Router, request: GenerateRequest) -> GenerateRequest:
    """The request with as many of its messages as fit, beside some room for the answer. Where even
    the newest do not fit, that request: the model will say so. Raises as `generate` does."""
    num_tokens = await router.count_tokens(request)
    context = router.status(request.model).context
    if context is None or num_tokens <= (limit := room(context, request.sampling.max_tokens)):
        return request
    shorter = [replace(request, messages=each) for each in shortened(request.messages)]
    low, high = 0, len(shorter) - 1  # the first that fits is in here, or none does
    while low < high:
        middle = (low + high) // 2
        if await router.count_tokens(shorter[middle]) <= limit:
            high = middle
        else:
            low = middle + 1
    return shorter[low] if shorter else request


def room(context: int, max_tokens: int | None) -> int:
    """Tokens of a prompt, so that an answer has its `max_tokens`, or a fair part of the context."""
    return context - min(max_tokens or _ANSWER_TOKENS, context // 2)


def shortened(messages: tuple[Message, ...]) -> list[tuple[Message, ...]]:
    """The conversation with more and more of its beginning gone.

    It begins with a user's turn, as templates demand; within the last one, rounds of calls and
    their results go, the oldest first.
    """
    starts = [index for index, each in enumerate(messages) if each.role == "user"]
    asked = starts[-1] if starts else 0
    rounds = [i for i in range(asked + 1, len(messages)) if messages[i].role == "assistant"]
    cut = [(index, index) for index in starts[1:]] + [(asked, index) for index in rounds[1:]]
    return [_without(messages, keep, start) for keep, start in cut]


def _without(messages: tuple[Message, ...], keep: int, start: int) -> tuple[Message, ...]:
    """System messages, the one at `keep`, and all from `start` on."""
    return tuple(
        each
        for index, each in enumerate(messages)
        if each.role == "system" or index == keep or index >= start
    )
