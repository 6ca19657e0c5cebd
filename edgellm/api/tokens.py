"""Texts and tokens, in llama-server's shape and in vLLM's; and what a chat template makes of a
conversation.

The same routes are there with `/v1` in front, for clients whose base address ends in it.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from edgellm.api.body import read_body, unless_disconnected
from edgellm.api.documented import documented
from edgellm.api.openai.request import chat_to_requests
from edgellm.api.openai.schema import ChatCompletionBody
from edgellm.api.replies import client_of, json_response, may_wait
from edgellm.api.validation import missing, parse_body
from edgellm.errors import InvalidRequest
from edgellm.serving.router import Router
from edgellm.types import GenerateRequest

_TokenId = Annotated[int, Field(ge=0, le=2**31 - 1)]
Body = TypeVar("Body", bound=BaseModel)


class _Input(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)

    model: str | None = None


class TokenizeBody(_Input):
    """`POST /tokenize`. One of `content` (llama-server), `prompt` and `messages` (vLLM)."""

    content: str | None = None
    prompt: str | None = None
    messages: Any = None  # with `tools`: as in a chat completion
    tools: Any = None
    add_special: bool | None = None  # a beginning-of-text token and the like
    add_special_tokens: bool | None = None  # vLLM's name for it
    parse_special: bool | None = None  # False: control tokens' texts are plain text
    with_pieces: bool | None = None  # each token with its text


class DetokenizeBody(_Input):
    """`POST /detokenize`."""

    tokens: Annotated[list[_TokenId], Field(fail_fast=True)]


def token_routes(router: Router, max_body_bytes: int) -> APIRouter:
    """The routes, answered by `router`."""
    routes = APIRouter(tags=["tokens"])

    async def tokenize(request: Request) -> Response:
        raw = await read_body(request, max_body_bytes)
        body = parse_body(TokenizeBody, raw)
        model = router.status(body.model or "").id
        text, param = _text_of(body)
        request.state.input_param = param
        if text is None:
            asked = _chat(request, parse_body(ChatCompletionBody, raw), model)
            tokens = await unless_disconnected(request, router.prompt_tokens(asked))
        else:
            work = router.tokenize(
                model,
                text,
                add_special=_adds_special(body),
                parse_special=body.parse_special is not False,
            )
            tokens = await unless_disconnected(request, work)
        answer: dict[str, Any] = {"tokens": tokens, "count": len(tokens)}
        if body.with_pieces:
            texts = await unless_disconnected(request, router.token_texts(model, tokens))
            answer["tokens"] = with_pieces(tokens, texts)
        return json_response(answer | {"max_model_len": router.status(model).context})

    async def detokenize(request: Request) -> Response:
        body = parse_body(DetokenizeBody, await read_body(request, max_body_bytes))
        model = router.status(body.model or "").id
        work = router.detokenize(model, tuple(body.tokens))
        text = await unless_disconnected(request, work)
        return json_response({"content": text, "prompt": text})  # llama-server's, vLLM's

    async def apply_template(request: Request) -> Response:
        body = parse_body(ChatCompletionBody, await read_body(request, max_body_bytes))
        asked = _chat(request, body, router.status(body.model or "").id)
        return json_response({"prompt": await unless_disconnected(request, router.render(asked))})

    for path, answer, kind in (
        ("/tokenize", tokenize, TokenizeBody),
        ("/detokenize", detokenize, DetokenizeBody),
        ("/apply-template", apply_template, ChatCompletionBody),
    ):
        routes.post(path, **documented(kind))(answer)
        routes.post("/v1" + path, include_in_schema=False)(answer)
    return routes


def with_pieces(tokens: tuple[int, ...], texts: tuple[bytes, ...]) -> list[dict[str, Any]]:
    """As llama-server has it: a piece that is no whole character is an array of bytes."""
    return [{"id": token, "piece": _piece(text)} for token, text in zip(tokens, texts, strict=True)]


def _piece(text: bytes) -> str | list[int]:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return list(text)


def _text_of(body: TokenizeBody) -> tuple[str | None, str]:
    """The text, None for a conversation, and the field it came from. Raises InvalidRequest."""
    fields = {"content": body.content, "prompt": body.prompt, "messages": body.messages}
    given = [name for name, value in fields.items() if value is not None]
    if not given:
        raise missing("content")
    if len(given) > 1:
        raise InvalidRequest(f"'{given[0]}' and '{given[1]}' exclude each other.", param=given[1])
    return body.content if body.prompt is None else body.prompt, given[0]


def _adds_special(body: TokenizeBody) -> bool:
    """What each of the two servers does where nothing is said."""
    said = body.add_special if body.add_special is not None else body.add_special_tokens
    return said if said is not None else body.prompt is not None


def _chat(request: Request, body: ChatCompletionBody, model: str) -> GenerateRequest:
    asked = chat_to_requests(body, model, client_of(request, body.user))[0]
    return msgspec.structs.replace(asked, may_wait=may_wait(request))
