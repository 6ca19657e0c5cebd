"""A chat template: messages in, the prompt's text out, in pieces that are safe to tokenise.

The template is the model's own (Jinja, from the GGUF's metadata), so it is untrusted code: it runs
in Jinja's immutable sandbox, with the few functions that Hugging Face's `apply_chat_template`
gives to templates and nothing else.

What users write must never become a control token: someone who types `<|im_end|>` means these ten
characters. So a mark is put inside every control token's text in the messages before rendering,
and the prompt is cut at the marks afterwards. Each piece is tokenised by itself, and no
piece holds a control token that the template did not write.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import msgspec
from jinja2 import TemplateError as JinjaError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from edgellm.errors import TemplateError
from edgellm.types import Message, Tool

MARK = "\ufdd0"  # a Unicode noncharacter: no text for interchange holds it

CHATML = """\
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}
"""


class ChatTemplate:
    """A compiled template of one model."""

    def __init__(
        self,
        source: str,
        *,
        bos_token: str = "",
        eos_token: str = "",
        control_tokens: Sequence[str] = (),
    ) -> None:
        """Compile.

        Args:
            control_tokens: texts that this model's tokenizer turns into control tokens.

        Raises:
            TemplateError: the source is not a valid template.
        """
        self.source = source
        self._tokens = {"bos_token": bos_token, "eos_token": eos_token}
        self._neutralise = Neutraliser(control_tokens)
        environment = _environment()
        try:
            self._template = environment.from_string(source)
        except JinjaError as error:
            raise TemplateError(f"The model's chat template cannot be compiled: {error}") from error

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool] = (),
        *,
        add_generation_prompt: bool = True,
        variables: Mapping[str, Any] | None = None,
    ) -> tuple[str, ...]:
        """The prompt's pieces, to be tokenised one by one.

        Raises:
            TemplateError: the template raised, e.g. because roles do not alternate.
        """
        names: dict[str, Any] = {
            **self._tokens,
            **(variables or {}),
            "messages": [self._safe_message(message) for message in messages],
            "tools": self._neutralise([_tool_dict(tool) for tool in tools]) or None,
            "add_generation_prompt": add_generation_prompt,
        }
        try:
            text = self._template.render(names)
        except JinjaError as error:
            raise TemplateError(
                f"The model's chat template refused the messages: {error}",
                "Many templates want user and assistant turns to alternate, and one system turn.",
            ) from error
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
            raise TemplateError(f"The model's chat template failed: {error}") from error
        return tuple(piece for piece in text.split(MARK) if piece)

    def _safe_message(self, message: Message) -> dict[str, Any]:
        safe: dict[str, Any] = self._neutralise(_message_dict(message))
        return safe | {"role": message.role}  # templates compare it; it is never free text


class Neutraliser:
    """Puts a mark inside each control token's text, in any nesting of lists and dicts."""

    def __init__(self, control_tokens: Sequence[str]) -> None:
        tokens = sorted({token for token in control_tokens if len(token) > 1})
        self._whole = re.compile(_trie_pattern(tokens)) if tokens else None
        self._starts = {token[:length] for token in tokens for length in range(1, len(token))}
        self._longest = max(map(len, tokens), default=0)

    def __call__(self, value: Any) -> Any:
        match value:
            case str():
                return self._mark(value)
            case list():
                return [self(item) for item in value]
            case dict():
                return {self(key): self(item) for key, item in value.items()}
            case _:
                return value

    def _mark(self, text: str) -> str:
        text = text.replace(MARK, "")
        if self._whole is None:
            return text
        while self._whole.search(text):  # again, for tokens that overlap
            text = self._whole.sub(lambda found: found[0][0] + MARK + found[0][1:], text)
        return text + MARK if self._may_continue(text) else text

    def _may_continue(self, text: str) -> bool:
        """Whether text that comes next in the prompt could complete a control token."""
        return any(
            text[-length:] in self._starts for length in range(1, min(self._longest, len(text) + 1))
        )


def _trie_pattern(words: Sequence[str]) -> str:
    """A regular expression for any of the words that shares their common beginnings.

    An alternation of thousands of words (Gemma has 6,000 unused tokens) is too slow.
    """
    if words == [""]:
        return ""
    by_first: dict[str, list[str]] = {}
    for word in words:
        by_first.setdefault(word[:1], []).append(word[1:])
    is_optional = by_first.pop("", None) is not None
    branches = [re.escape(first) + _trie_pattern(rest) for first, rest in by_first.items()]
    pattern = "(?:" + "|".join(branches) + ")" if len(branches) > 1 else "".join(branches)
    return f"(?:{pattern})?" if is_optional and branches else pattern


def _message_dict(message: Message) -> dict[str, Any]:
    """A message as templates expect it: OpenAI's shape, with arguments as an object."""
    shape: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        shape["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": _arguments(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        shape["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        shape["name"] = message.name
    return shape


def _arguments(text: str) -> Any:
    """Arguments as an object, so that templates can iterate; what is not one stays text."""
    try:
        value = msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        return text
    return value if isinstance(value, dict) else text


def _tool_dict(tool: Tool) -> dict[str, Any]:
    function = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters or {"type": "object", "properties": {}},
    }
    return {"type": "function", "function": function}


def _environment() -> ImmutableSandboxedEnvironment:
    """As transformers sets it up, so that models' templates behave as their authors saw them."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment


class _Generation(Extension):
    """`{% generation %}`, with which templates mark what to train on; here its body alone."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Unlike Jinja's own, does not escape <, > and & for HTML."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _raise_exception(message: str) -> NoReturn:
    raise JinjaError(message)


def _strftime_now(format: str) -> str:  # noqa: A002 - the name that templates know
    return datetime.datetime.now().astimezone().strftime(format)
