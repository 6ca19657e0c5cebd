"""OpenAI's request bodies -> `GenerateRequest`s. Pure.

What a valid JSON field means is decided here, and what this server cannot do is refused here, by
name: nothing that would change the answer is ignored.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from edgellm.api.openai.constraint import to_constraint
from edgellm.api.openai.messages import to_continues, to_messages
from edgellm.api.openai.reasoning import to_reasoning
from edgellm.api.openai.schema import (
    MAX_INT,
    ChatCompletionBody,
    CompletionBody,
    SamplingFields,
)
from edgellm.api.openai.tools import is_legacy, to_choice
from edgellm.api.validation import bad_type, bad_value, to_keep_alive, unsupported
from edgellm.errors import InvalidRequest
from edgellm.types import GenerateRequest, Sampling

MAX_ANSWERS = 128  # of one request: prompts x n

Prompt = str | tuple[int, ...]


def chat_to_requests(
    body: ChatCompletionBody, model: str, client: str = ""
) -> list[GenerateRequest]:
    """One request per choice (`n`). Raises InvalidRequest."""
    _refuse_unsupported_chat(body)
    _check_stream_options(body)
    if body.top_logprobs is not None and not body.logprobs:
        raise InvalidRequest(
            "'top_logprobs' is only allowed when 'logprobs' is true.", param="top_logprobs"
        )
    top_logprobs = (body.top_logprobs or 0) if body.logprobs else None
    max_tokens = body.max_completion_tokens or body.max_tokens
    messages = to_messages(body.messages)
    choice, reasoning = to_choice(body), to_reasoning(body)
    request = GenerateRequest(
        model=model,
        messages=messages,
        tools=choice.tools,
        must_call=choice.must_call,
        parallel_tool_calls=body.parallel_tool_calls is not False and not is_legacy(body),
        constraint=to_constraint(body),
        continues_last=to_continues(body, messages),
        is_thinking=reasoning.is_thinking,
        effort=reasoning.effort,
        template_variables=reasoning.variables,
        client=client,
        keep_alive_seconds=to_keep_alive(body.keep_alive),
    )
    samplings = (to_sampling(body, max_tokens, top_logprobs, i) for i in range(body.n or 1))
    return [replace(request, sampling=sampling) for sampling in samplings]


def completion_to_requests(
    body: CompletionBody, model: str, client: str = ""
) -> list[GenerateRequest]:
    """One request per prompt and choice, in the order of the choices' indices: the `n` answers
    to the first prompt, then those to the second. Raises InvalidRequest."""
    _refuse_unsupported_completion(body)
    _check_stream_options(body)
    prompts = to_prompts(body.prompt)
    constraint = to_constraint(body)
    num_choices = body.n or 1
    if len(prompts) * num_choices > MAX_ANSWERS:
        raise InvalidRequest(
            f"{len(prompts)} prompts with n={num_choices} are more than {MAX_ANSWERS} answers.",
            "Send the prompts in several requests.",
            param="prompt",
        )
    return [
        GenerateRequest(
            model=model,
            prompt=prompt,
            sampling=to_sampling(body, body.max_tokens, body.logprobs, choice),
            constraint=constraint,
            echo=bool(body.echo),
            suffix=body.suffix or "",
            client=client,
            keep_alive_seconds=to_keep_alive(body.keep_alive),
        )
        for prompt in prompts
        for choice in range(num_choices)
    ]


def to_sampling(
    body: SamplingFields, max_tokens: int | None, top_logprobs: int | None, choice: int
) -> Sampling:
    repeat_penalty = body.repetition_penalty if body.repeat_penalty is None else body.repeat_penalty
    return Sampling(
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        min_p=body.min_p,
        typical_p=body.typical_p,
        repeat_penalty=repeat_penalty,
        repeat_last_n=body.repeat_last_n,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        seed=to_seed(body.seed, choice),
        logit_bias=to_logit_bias(body.logit_bias),
        max_tokens=max_tokens,
        min_tokens=body.min_tokens or 0,
        ignore_eos=bool(body.ignore_eos),
        stop=tuple(body.stop or ()),
        top_logprobs=top_logprobs,
    )


def to_seed(seed: int | None, choice: int) -> int | None:
    """Any integer -> 0..2^32-2, another one for each choice. llama.cpp reads 2^32-1 as "draw one
    yourself", so no seed may ever map to that."""
    return None if seed is None else (seed + choice) % 0xFFFFFFFF


def to_logit_bias(biases: dict[str, float] | None) -> dict[int, float]:
    result: dict[int, float] = {}
    for key, bias in (biases or {}).items():
        if not (key.isascii() and key.isdigit() and len(key) <= 10 and int(key) <= MAX_INT):
            raise bad_value("logit_bias", "token ids (integers) as keys", key)
        result[int(key)] = bias
    return result


def to_prompts(prompt: Any) -> list[Prompt]:
    """The prompts of a field with four shapes. Raises InvalidRequest."""
    match prompt:
        case str():
            return [prompt]
        case [int(), *_]:
            return [_to_token_ids(prompt, "prompt")]
        case [_, *_]:
            return [_to_prompt(item, f"prompt[{i}]") for i, item in enumerate(prompt)]
        case []:
            raise bad_value("prompt", "at least one prompt", prompt)
        case _:
            raise _bad_prompt("prompt", prompt)


def _to_prompt(prompt: Any, path: str) -> Prompt:
    match prompt:
        case str():
            return prompt
        case list():
            return _to_token_ids(prompt, path)
        case _:
            raise _bad_prompt(path, prompt)


def _to_token_ids(ids: list[Any], path: str) -> tuple[int, ...]:
    if not ids:
        raise bad_value(path, "at least one token id", ids)
    for index, token in enumerate(ids):
        if type(token) is not int:  # a bool is an int to Python, not to JSON
            raise bad_type(f"{path}[{index}]", "a token id (an integer)", token)
        if not 0 <= token <= MAX_INT:
            raise bad_value(f"{path}[{index}]", "a token id", token)
    return tuple(ids)


def _bad_prompt(path: str, prompt: Any) -> InvalidRequest:
    return bad_type(path, "a string, an array of token ids, or an array of these", prompt)


def _check_stream_options(body: SamplingFields) -> None:
    if body.stream_options is not None and not body.stream:
        raise InvalidRequest(
            "'stream_options' is only allowed when 'stream' is true.", param="stream_options"
        )


def _refuse_unsupported_chat(body: ChatCompletionBody) -> None:
    if "audio" in (body.modalities or ()):
        raise unsupported(
            "This model cannot speak.", "Leave 'modalities' out, or send ['text'].", "modalities"
        )


def _refuse_unsupported_completion(body: CompletionBody) -> None:
    if body.suffix and body.echo:
        raise InvalidRequest("'echo' and 'suffix' cannot be used together.", param="echo")
    if body.best_of is not None and body.best_of != (body.n or 1):
        raise unsupported("'best_of' is only supported when it equals 'n'.", "Use 'n'.", "best_of")
