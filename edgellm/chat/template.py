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
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from jinja2 import TemplateError as JinjaError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec.structs import replace

from edgellm.chat.continuation import (
    Continued,
    cut_at,
    find_continued,
    marked,
    new_mark,
    opened_for,
    without_empty_end,
)
from edgellm.chat.conversation import Shape, message_dicts, tool_dict
from edgellm.chat.parsers import find_format
from edgellm.chat.probe import find_shape
from edgellm.chat.tool_prompt import in_words
from edgellm.errors import TemplateError
from edgellm.types import Message, Tool

MARK = "\ufdd0"  # a Unicode noncharacter: no text for interchange holds it

# Of a template's own code, and of what a client's variables make of it.
_FAILURES = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)

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
        self._shape: Shape | None = None  # once it was needed
        environment = _environment()
        try:
            self._template = environment.from_string(source)
        except JinjaError as error:
            raise TemplateError(f"The model's chat template cannot be compiled: {error}") from error
        self._has_short_ids = "[TOOL_CALLS]" in source  # Mistral's

    def render(
        self,
        messages: Sequence[Message],
        tools: Sequence[Tool] = (),
        *,
        add_generation_prompt: bool = True,
        continues_last: bool = False,
        variables: Mapping[str, Any] | None = None,
    ) -> tuple[str, ...]:
        """The prompt's pieces, to be tokenised one by one.

        Tools, calls and results that the template does not show are put in words.

        Args:
            continues_last: end with the text of the last message, if it is an assistant's.
            variables: further names for the template, e.g. `thinking_variables()`.

        Raises:
            TemplateError: the template raised, e.g. because roles do not alternate.
        """
        messages = without_empty_end(messages) if continues_last else messages
        continued = find_continued(messages) if continues_last else None
        names = self._neutralise(dict(variables or {})) | self._shown(messages, tools)
        if continued is None:
            return pieces_of(self._render(names | {"add_generation_prompt": add_generation_prompt}))
        return pieces_of(self._before(continued, names) + self._neutralise(continued.text))

    def text_pieces(self, text: str) -> tuple[str, ...]:
        """A user's text by itself, in pieces of which none holds a control token."""
        return pieces_of(self._neutralise(text))

    def _before(self, continued: Continued, names: dict[str, Any]) -> str:
        """The prompt up to the text that is continued."""
        *others, last = names["messages"]
        mark = new_mark()
        shown = [*others, marked(last, continued, mark)]
        text = self._render(names | {"messages": shown, "add_generation_prompt": False})
        system = others[0]["content"] if others and others[0]["role"] == "system" else ""
        before = cut_at(mark, text, system)
        is_cut = before is not None
        if before is None:
            before = self._render(names | {"messages": others, "add_generation_prompt": True})
        return opened_for(continued, before, self.source, is_cut=is_cut)

    def _shown(self, messages: Sequence[Message], tools: Sequence[Tool]) -> dict[str, Any]:
        """The conversation and its tools as the template wants them, safe to render."""
        shape = self._shape_for(messages, tools)
        shown = [self._safe(message) for message in message_dicts(messages, shape)]
        shown_tools = self._neutralise([tool_dict(tool) for tool in tools])
        shown = in_words(shown, shown_tools, shape, find_format(self.source))
        return {"messages": shown, "tools": (shape.shows_tools and shown_tools) or None}

    @property
    def shape(self) -> Shape:
        """What the template wants of a conversation with tools."""
        if self._shape is None:
            shape = find_shape(self._render_probe)
            self._shape = replace(shape, has_short_ids=self._has_short_ids)
        return self._shape

    def _shape_for(self, messages: Sequence[Message], tools: Sequence[Tool]) -> Shape:
        """Most conversations have nothing that templates differ in."""
        has_calls = any(turn.tool_calls or turn.role in ("system", "tool") for turn in messages)
        return self.shape if tools or has_calls else Shape()

    def _render_probe(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None
    ) -> str:
        return self._render({"messages": messages, "tools": tools, "add_generation_prompt": True})

    def _render(self, names: dict[str, Any]) -> str:
        try:
            return self._template.render({**self._tokens, **names})
        except JinjaError as error:
            raise TemplateError(
                f"The model's chat template refused the messages: {error}",
                "Many templates want user and assistant turns to alternate, and one system turn.",
            ) from error
        except _FAILURES as error:
            raise TemplateError(f"The model's chat template failed: {error}") from error

    def _safe(self, message: dict[str, Any]) -> dict[str, Any]:
        safe: dict[str, Any] = self._neutralise(message)
        return safe | {"role": message["role"]}  # templates compare it; it is never free text


def pieces_of(text: str) -> tuple[str, ...]:
    """The text cut at its marks."""
    return tuple(piece for piece in text.split(MARK) if piece)


def thinking_variables(
    is_thinking: bool | None = None, effort: str | None = None
) -> dict[str, Any]:
    """Variables that turn reasoning on or off, or say how much of it, in templates that can.

    Args:
        is_thinking: None = what the model does by default.
        effort: "low", "medium" or "high", for gpt-oss; None = the template's own.
    """
    variables: dict[str, Any] = {}
    if is_thinking is not None:  # Qwen, SmolLM3, Gemma 4 and MiniCPM; DeepSeek V3.1 and Granite
        variables |= {"enable_thinking": is_thinking, "thinking": is_thinking}
    return variables | ({"reasoning_effort": effort} if effort else {})


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
        default=_as_list,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _as_list(value: Any) -> list[Any]:
    """What filters such as `map` give, which JSON does not know."""
    if isinstance(value, Iterator):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _raise_exception(message: str) -> NoReturn:
    raise JinjaError(message)


def _strftime_now(format: str) -> str:  # noqa: A002 - the name that templates know
    return datetime.datetime.now().astimezone().strftime(format)
