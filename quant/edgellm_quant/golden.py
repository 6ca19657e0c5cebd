"""Golden prompts: what a model is asked, and what its answer must hold. Asks nobody.

A file of them is YAML or JSON, a list under `prompts`:

    prompts:
      - name: capital
        prompt: What is the capital of France?
        expect: {contains: [Paris]}

`contains` are texts of which all must be there, in any case; `matches` a regular expression that is
found somewhere; `equals` the whole answer but for white space around it; `schema` a JSON Schema
that the answer is valid by; `call` the name of a tool, and arguments that its call must have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml
from msgspec import Struct

from edgellm.errors import QuantError
from edgellm.store.gguf_header import read_header
from edgellm.types import Message, Tool

ASSETS = Path(__file__).parent / "_assets"
MAX_TOKENS = 128


class ExpectedCall(Struct, frozen=True, forbid_unknown_fields=True):
    """A call of this tool. Texts among the arguments may differ in case."""

    name: str
    arguments: dict[str, Any] = {}  # those that it must have; others may be there


class Expected(Struct, frozen=True, forbid_unknown_fields=True):
    """All that is given must hold."""

    contains: tuple[str, ...] = ()
    matches: str = ""
    equals: str | None = None
    schema: dict[str, Any] | None = None
    call: ExpectedCall | None = None


class GoldenPrompt(Struct, frozen=True, forbid_unknown_fields=True):
    """One question. Exactly one of `prompt` (a user's only turn) and `messages`."""

    name: str
    expect: Expected
    prompt: str = ""
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    max_tokens: int = MAX_TOKENS

    @property
    def turns(self) -> tuple[Message, ...]:
        """The conversation to answer."""
        return self.messages or (Message("user", self.prompt),)


class GoldenFile(Struct, frozen=True, forbid_unknown_fields=True):
    """What a file holds."""

    prompts: tuple[GoldenPrompt, ...]


class Answer(NamedTuple):
    """What a model said: its text without reasoning, and the calls as (name, JSON arguments)."""

    text: str
    calls: Sequence[tuple[str, str]] = ()


def builtin_prompts(model: Path | None = None) -> tuple[GoldenPrompt, ...]:
    """Ours: for the built-in model what it knows, for all others what small models can be asked.

    Args:
        model: the GGUF file that will be asked; it is known by its name in there.

    Raises:
        ModelFileError: it is no such file.
    """
    header = read_header(model) if model is not None else None
    is_pocket = header is not None and header.metadata.get("general.name") == "pocket"
    return load(ASSETS / ("golden-pocket.yaml" if is_pocket else "golden-general.yaml"))


def load(path: Path) -> tuple[GoldenPrompt, ...]:
    """The prompts of a file.

    Raises:
        QuantError: it cannot be read, or something in it is wrong; the message says what.
    """
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
        prompts = msgspec.convert(document, GoldenFile).prompts
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise QuantError(
            f"{path.name} is not a file of golden prompts: {error}.",
            "Each of its prompts has a name, a prompt or messages, and expect.",
        ) from error
    if not prompts:
        raise QuantError(f"{path.name} has no prompts.")
    for prompt in prompts:
        _check(prompt, path)
    return prompts


def failure(expected: Expected, answer: Answer) -> str:
    """Why an answer is not what it must be; empty = it is."""
    text = answer.text.strip()
    missing = [part for part in expected.contains if part.casefold() not in text.casefold()]
    if missing:
        return f"{missing[0]!r} is not in it"
    if expected.matches and not re.search(expected.matches, text):
        return f"{expected.matches!r} does not match it"
    if expected.equals is not None and text != expected.equals.strip():
        return f"it is not {expected.equals.strip()!r}"
    if expected.schema is not None and (reason := _schema_failure(expected.schema, text)):
        return reason
    return _call_failure(expected.call, answer.calls) if expected.call else ""


def _check(prompt: GoldenPrompt, path: Path) -> None:
    """Refuse what can only be a mistake."""

    def wrong(reason: str) -> QuantError:
        return QuantError(f"In {path.name}, the prompt {prompt.name!r} {reason}.")

    expect = prompt.expect
    if bool(prompt.prompt) == bool(prompt.messages):
        raise wrong("needs one of prompt and messages")
    if expect == Expected():
        raise wrong("expects nothing")
    if expect.call and expect.call.name not in {tool.name for tool in prompt.tools}:
        raise wrong(f"expects a call of {expect.call.name!r}, which is not among its tools")
    try:
        re.compile(expect.matches)
    except re.error as error:
        raise wrong(f"has a bad regular expression: {error}") from error
    if expect.schema is not None:
        from jsonschema import SchemaError
        from jsonschema.validators import validator_for

        try:
            validator_for(expect.schema).check_schema(expect.schema)
        except SchemaError as error:
            raise wrong(f"has a bad schema: {error.message}") from error


def _schema_failure(schema: dict[str, Any], text: str) -> str:
    from jsonschema.validators import validator_for

    try:
        value = json.loads(_unfenced(text))
    except ValueError as error:
        return f"it is not JSON: {error}"
    errors = validator_for(schema)(schema).iter_errors(value)
    return next((f"it breaks the schema: {error.message}" for error in errors), "")


def _unfenced(text: str) -> str:
    """Models like to put JSON into a Markdown fence: that is not what a quantisation breaks."""
    fenced = re.fullmatch(r"```(?:json)?\s*(.*?)\s*```", text, re.DOTALL)
    return fenced[1] if fenced else text


def _call_failure(expected: ExpectedCall, calls: Sequence[tuple[str, str]]) -> str:
    if not calls:
        return f"it does not call {expected.name}"
    name, arguments = calls[0]
    if name != expected.name:
        return f"it calls {name}, not {expected.name}"
    try:
        given = json.loads(arguments)
    except ValueError:
        return f"its arguments are not JSON: {arguments}"
    for key, value in expected.arguments.items():
        if not isinstance(given, dict) or _folded(given.get(key)) != _folded(value):
            return f"its argument {key} is not {value!r}"
    return ""


def _folded(value: object) -> object:
    return value.casefold().strip() if isinstance(value, str) else value
