"""Every format over any output: nothing raises, nothing is lost, and the cuts do not matter."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgellm.chat.markup import MarkedParser
from edgellm.chat.parsers import PARSERS, choose_parser, find_format
from edgellm.errors import ConfigError
from tests.chat.parsers.reading import TOOLS, read

WORDS = (
    *("<tool_call>", "</tool_call>", "<think>", "</think>", "<function=", "</function>", "```"),
    *("get_weather", "now", "{", "}", "[", "]", "(", ")", '"', "'", ":", ",", "=", "\\", "\n", " "),
    *(
        '{"name": "now", "arguments": {',
        '"city": ',
        '"Paris"',
        "}}",
        "[now(",
        "x",
        "ü",
        "1",
        "true",
    ),
    *(
        "tool_code\n",
        "json\n",
        "<parameter=city>",
        "</parameter>",
        "functools[",
        "to=functions.now",
    ),
)
MARKERS = {name: sorted({*choose_parser(name, "", tools=TOOLS).shown_tokens}) for name in PARSERS}


def outputs(name: str) -> st.SearchStrategy[list[str]]:
    markers = MARKERS[name]
    words = st.sampled_from(WORDS) | (st.sampled_from(markers) if markers else st.nothing())
    return st.lists(words | words | st.text(max_size=4), max_size=25)


@pytest.mark.parametrize("name", sorted(PARSERS))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_cuts_do_not_matter(name: str, data: st.DataObject) -> None:
    pieces = data.draw(outputs(name))
    raw = "".join(pieces)
    prompt = data.draw(st.sampled_from(["", "<think>\n", "<|start|>assistant"]))
    size = data.draw(st.integers(1, 9))
    whole = read(name, [raw], prompt=prompt)
    assert read(name, pieces, prompt=prompt) == whole
    assert (
        read(name, [raw[at : at + size] for at in range(0, len(raw), size)], prompt=prompt) == whole
    )


@pytest.mark.parametrize("name", sorted(set(PARSERS) - {"harmony"}))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_without_a_call_or_reasoning_every_character_comes_back(
    name: str, data: st.DataObject
) -> None:
    raw = "".join(data.draw(outputs(name)))
    got = read(name, list(raw))
    thinks = any(word in raw for word in ("think", "THINK", "thought"))
    if not got.calls and not thinks:
        assert got.text == raw
    letters = iter(raw)
    assert all(letter in letters for letter in got.text)  # in order, and nothing was made up


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_plain_words_go_through_at_once(name: str) -> None:
    parser = choose_parser(name, "", tools=TOOLS)
    told = [parser.push(piece) for piece in ["Hello", ",", " dear", " world", "."]]
    assert all(len(events) == 1 for events in told)


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_the_parser_says_which_control_tokens_it_needs(name: str) -> None:
    tokens = choose_parser(name, "", tools=TOOLS).shown_tokens
    assert bool(tokens) == (name != "plain")
    parser = choose_parser(name, "", tools=())
    assert not isinstance(parser, MarkedParser) or not parser.is_plain


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{{ '<|channel|>final<|message|>' }}", "harmony"),
        ("{{ '<|turn>model\\n' }}", "gemma4"),
        ("{{ '<start_of_turn>model\\n' }}", "gemma3"),
        ("{{ '[TOOL_CALLS]' }}", "mistral"),
        ("List of tools: <|tool_list_start|>[", "lfm2"),
        ("<｜User｜><｜Assistant｜><think>", "deepseek"),
        ("<|start_of_role|> <tool_call>", "granite"),
        ("<|tool|>[]<|/tool|>", "phi4"),
        ('<function name="f"><param name="p"> <think>', "minicpm5"),
        ("Reasoning Mode: /think <think>", "smollm3"),
        ("<tool_call>\n<function=f>\n<parameter=p> <think>", "qwen3_coder"),
        ("<tool_call> </think>", "qwen3"),
        ("<tool_call>", "hermes"),
        ("<|start_header_id|> <|python_tag|>", "llama3"),
        ("<|im_start|>", "hermes"),
    ],
)
def test_a_template_shows_its_format(template: str, name: str) -> None:
    assert find_format(template) == name


def test_the_catalogue_s_word_counts_more_than_the_template() -> None:
    call = '<tool_call>{"name": "now"}</tool_call>'
    assert read(None, [call], template="<tool_call>").calls
    assert read("plain", [call], template="<tool_call>").text == call


def test_an_unknown_name_is_an_error_that_tells_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="hermez") as error:
        choose_parser("hermez", "", tools=TOOLS)
    assert "hermes" in error.value.hint
