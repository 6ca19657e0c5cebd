"""A valid body and its conversation -> one `GenerateRequest`. Pure.

What this server cannot do is refused here, by name: nothing that would change the answer is
ignored.
"""

from __future__ import annotations

from collections.abc import Iterable

from edgellm.api.openai.request import to_sampling
from edgellm.api.responses.conversation import to_messages
from edgellm.api.responses.format import to_constraint
from edgellm.api.responses.items import Item
from edgellm.api.responses.schema import CreateResponseBody, ReasoningConfig
from edgellm.api.responses.tools import to_choice, to_tools
from edgellm.api.validation import bad_value, missing, to_keep_alive, unsupported
from edgellm.errors import InvalidRequest
from edgellm.types import GenerateRequest

LOGPROBS = "message.output_text.logprobs"

_STATEFUL = "Use 'previous_response_id', or send the whole conversation as 'input'."
_REFUSED = {  # whatever they hold: what each of them would have changed, and what to do
    "background": "Leave it out: the answer comes when it is ready; stream it to see it grow.",
    "conversation": _STATEFUL,
    "prompt": "Prompt templates are not kept here: send 'instructions' and 'input'.",
    "moderation": "This server does not judge texts.",
    "context_management": "Use 'truncation': 'auto', or shorten the input.",
    "response_format": "Use 'text.format'.",
    "max_tokens": "Use 'max_output_tokens'.",
}


def to_request(
    body: CreateResponseBody, model: str, items: Iterable[Item], client: str = ""
) -> GenerateRequest:
    """`items`: the conversation, the new input at its end. Raises InvalidRequest."""
    refuse_unsupported(body)
    messages = to_messages(body.instructions, items)
    if not messages:
        raise bad_value("input", "at least one item", [])
    choice = to_choice(body.tool_choice, to_tools(body.tools))
    is_thinking, effort = to_effort(body.reasoning)
    return GenerateRequest(
        model=model,
        messages=messages,
        tools=choice.tools,
        must_call=choice.must_call,
        parallel_tool_calls=body.parallel_tool_calls is not False,
        constraint=to_constraint(body),
        sampling=to_sampling(body, body.max_output_tokens, to_top_logprobs(body), 0),
        is_thinking=is_thinking,
        effort=effort,
        client=client,
        keep_alive_seconds=to_keep_alive(body.keep_alive),
    )


def to_top_logprobs(body: CreateResponseBody) -> int | None:
    """None = no log-probabilities at all."""
    if LOGPROBS in (body.include or ()):
        return body.top_logprobs or 0
    return body.top_logprobs or None


def to_effort(reasoning: ReasoningConfig | None) -> tuple[bool | None, str | None]:
    """Whether to reason, and how much: OpenAI's seven words in the three that models know. A model
    that cannot reason takes no notice."""
    match reasoning.effort if reasoning else None:
        case None:
            return None, None
        case "none":
            return False, None
        case "minimal":
            return None, "low"
        case "low" | "medium" as effort:
            return True, effort
        case _:
            return True, "high"


def refuse_unsupported(body: CreateResponseBody) -> None:
    """Raises InvalidRequest that names the field. Before anything is looked up or read."""
    if body.input is None and body.prompt is None:
        raise missing("input")
    for name, hint in _REFUSED.items():
        if getattr(body, name) not in (None, False, []):
            raise unsupported(f"'{name}' is not supported.", hint, name)
    if body.n not in (None, 1):
        raise unsupported("'n' is not supported: a response has one answer.", "Ask again.", "n")
    if body.stream_options is not None and not body.stream:
        raise InvalidRequest(
            "'stream_options' is only allowed when 'stream' is true.", param="stream_options"
        )
    _check_reasoning(body.reasoning or ReasoningConfig())


def _check_reasoning(reasoning: ReasoningConfig) -> None:
    for name, usual in (("context", "auto"), ("mode", "standard")):
        if getattr(reasoning, name) not in (None, usual):
            raise unsupported(
                f"'reasoning.{name}' can only be '{usual}'.",
                "The model's chat template decides what it is shown of earlier reasoning."
                if name == "context"
                else "Leave it out.",
                f"reasoning.{name}",
            )
