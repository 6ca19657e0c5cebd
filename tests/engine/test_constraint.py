"""Answers fit what they must match, with everything else that an engine does to them."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec.structs import replace

from edgellm.backends import load_backend
from edgellm.backends.base import TokenBackend
from edgellm.backends.grammar import Guide
from edgellm.backends.llama_sampler import SamplerChain
from edgellm.engine.guesser import Guesser
from edgellm.engine.look_ahead import LookAhead
from edgellm.engine.loop import Engine
from edgellm.engine.prefix_cache import NoCache
from edgellm.engine.scheduler import Scheduler
from edgellm.engine.speculation import StepCost
from edgellm.protocol import Delta, Done, Failed, Generate
from edgellm.types import Constraint, EngineOptions, Sampling
from tests.support.schemas import SCHEMAS

PROMPT = ("<|im_start|>user\nTell me, tell me, tell me of it.<|im_end|>\n<|im_start|>assistant\n",)
HOT = Sampling(temperature=1.5, top_p=1.0, top_k=0, min_p=0.0, seed=1, max_tokens=300)
PERSON = Constraint("json_schema", json.dumps(SCHEMAS["person"]))


@pytest.fixture(scope="module")
def backend(pocket: Path) -> Iterator[TokenBackend]:
    options = EngineOptions(context=400, parallel=8, threads=1)
    with contextlib.closing(load_backend("llama_cpp", str(pocket), options, lambda _: None)) as it:
        yield it


class EagerGuesser(Guesser):
    """Repeats the text whether that pays or not, so that many guesses are forbidden tokens."""

    def __init__(self) -> None:
        super().__init__(StepCost())

    def guess(self, running: Any, room: int) -> dict[int, list[int]]:
        guesses = {
            each.id: each.tokens[-9:-6] or each.tokens[:3] for each in running if each.num_left > 4
        }
        return guesses if 3 * len(guesses) <= room else {}


def complete(
    engine: Engine, *requests: Generate
) -> dict[int, tuple[str, Done | Failed, list[int]]]:
    messages = [message for request in requests for message in engine.submit(request)]
    while not engine.is_idle:
        messages += engine.step()
    texts: dict[int, str] = {}
    tokens: dict[int, list[int]] = {request.id: [] for request in requests}
    ends: dict[int, Done | Failed] = {}
    for message in messages:
        if isinstance(message, Delta):
            texts[message.id] = texts.get(message.id, "") + message.text
            tokens[message.id] += message.tokens
        elif isinstance(message, Done | Failed) and message.id is not None:
            ends[message.id] = message
    return {id_: (texts.get(id_, ""), ends[id_], tokens[id_]) for id_ in ends}


def ask(id_: int, constraint: Constraint, sampling: Sampling = HOT) -> Generate:
    return Generate(id_, PROMPT, replace(sampling, seed=id_), constraint=constraint)


def test_different_constraints_at_once(backend: TokenBackend) -> None:
    names = ["person", "nested", "array", "tree", "pattern", "number", "any_of"]
    requests = [
        ask(id_, Constraint("json_schema", json.dumps(SCHEMAS[name])))
        for id_, name in enumerate(names)
    ]
    free = Generate(7, PROMPT, Sampling(temperature=0, max_tokens=20))
    results = complete(Engine(backend, NoCache()), *requests, free)
    for id_, name in enumerate(names):
        text, end, _ = results[id_]
        assert isinstance(end, Done)
        assert end.reason == "stop", (name, text)
        jsonschema.validate(json.loads(text), SCHEMAS[name])
    assert results[7][0] == complete(Engine(backend, NoCache()), free)[7][0]


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_guesses_change_nothing(backend: TokenBackend, temperature: float) -> None:
    """The logits of a batch of another size differ in the last bits, so not too many tokens may be
    near to each other."""
    sampling = replace(HOT, temperature=temperature, top_k=8)
    requests = [
        ask(id_, Constraint("json_schema", json.dumps(SCHEMAS[name])), sampling)
        for id_, name in enumerate(("person", "tree", "array"))
    ]
    for request in requests:  # one by one: batches of other sizes may differ in the last bit
        plain = complete(Engine(backend, NoCache()), request)
        engine = Engine(backend, NoCache(), guesser=EagerGuesser())
        guessed = complete(engine, request)
        assert guessed[request.id][0] == plain[request.id][0]
        assert engine.stats.num_guessed_tokens > 0


def test_an_answer_goes_on_where_another_engine_was(backend: TokenBackend) -> None:
    request = ask(3, Constraint("json_schema", json.dumps(SCHEMAS["tree"])))
    text, _, tokens = complete(Engine(backend, NoCache()), request)[3]
    assert len(tokens) > 6
    for cut in (1, 3, len(tokens) - 2):
        told = b"".join(map(backend.token_bytes, tokens[:cut])).decode()
        rest = complete(Engine(backend, NoCache()), replace(request, generated=tuple(tokens[:cut])))
        assert told + rest[3][0] == text


def test_what_is_complete_ends_whatever_else_is_asked(backend: TokenBackend) -> None:
    yes = Constraint("regex", "yes")
    for sampling in (
        replace(HOT, min_tokens=50),
        replace(HOT, ignore_eos=True),
        replace(HOT, typical_p=0.5, temperature=0.7),
        Sampling(temperature=0, logit_bias={5: 100.0}),
    ):
        text, end, _ = complete(Engine(backend, NoCache()), ask(1, yes, sampling))[1]
        assert text == "yes"
        assert isinstance(end, Done)
        assert end.reason == "stop"


def test_max_tokens_and_stop_cut_it_short(backend: TokenBackend) -> None:
    results = complete(
        Engine(backend, NoCache()),
        ask(1, PERSON, replace(HOT, max_tokens=3)),
        ask(2, PERSON, replace(HOT, stop=('"age"',))),
    )
    assert isinstance(results[1][1], Done)
    assert results[1][1].reason == "length"
    assert isinstance(results[2][1], Done)
    assert results[2][1].reason == "stop"
    assert '"age"' not in results[2][0]
    assert '"name"' in results[2][0]


def test_log_probabilities_are_those_before_the_constraint(backend: TokenBackend) -> None:
    constraint = Constraint("regex", "zebra")
    engine = Engine(backend, NoCache())
    engine.submit(ask(1, constraint, Sampling(temperature=0, top_logprobs=1)))
    entries = []
    while not engine.is_idle:
        for message in engine.step():
            entries += list(message.logprobs) if isinstance(message, Delta) else []
    assert b"".join(entry.token for entry in entries) == b"zebra"
    assert entries[0].logprob < entries[0].top[0][1]  # it wanted to say something else


def test_mistakes_are_told_before_anything_is_computed(backend: TokenBackend) -> None:
    bad = Constraint("json_schema", '{"items":{"format":"tea"}}', "response_format.schema")
    engine = Engine(backend, NoCache())
    (failed,) = engine.submit(ask(1, bad))
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.param) == ("invalid_request", "response_format.schema.items.format")
    assert "Unknown format: tea" in failed.message
    assert engine.is_idle


def test_a_grammar_that_grows_too_complex_fails_its_own_request_only(
    backend: TokenBackend,
) -> None:
    branches = [
        {
            "type": "object",
            "properties": {
                f"k{i}_{j}": {"type": "number", "minimum": i, "maximum": 10**6 + j}
                for j in range(20)
            },
        }
        for i in range(40)
    ]
    wild = Constraint("json_schema", json.dumps({"anyOf": branches}), "response_format")
    results = complete(Engine(backend, NoCache()), ask(1, wild), ask(2, PERSON))
    failed = results[1][1]
    assert isinstance(failed, Failed)
    assert failed.param == "response_format"
    assert "items" in failed.message
    jsonschema.validate(json.loads(results[2][0]), SCHEMAS["person"])


def test_after_a_reasoning_the_answer_fits(backend: TokenBackend) -> None:
    constraint = Constraint("regex", "[0-9]{4}", after=".")
    text, end, _ = complete(
        Engine(backend, NoCache()), ask(1, constraint, Sampling(temperature=0, max_tokens=80))
    )[1]
    assert isinstance(end, Done)
    assert end.reason == "stop"
    assert re.fullmatch(r"[^.]*\.\d{4}", text), text


LIST = Constraint(
    "json_schema",
    json.dumps({"type": "array", "items": SCHEMAS["person"], "minItems": 3, "maxItems": 3}),
)


def count_calls(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[object]:
    """One entry for each call from now on."""
    inner, calls = getattr(owner, name), []

    def counted(*arguments: Any) -> Any:
        calls.append(arguments)
        return inner(*arguments)

    monkeypatch.setattr(owner, name, counted)
    return calls


def ask_first_for_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain way: no draw before it is known which tokens may come."""
    inner = SamplerChain._add_penalties

    def remembering(self: SamplerChain, *arguments: Any) -> None:
        inner(self, *arguments)
        self._remembers = True

    monkeypatch.setattr(SamplerChain, "_add_penalties", remembering)


@pytest.mark.parametrize("name", ["person", "tree", "types", "date", "additional", "unanchored"])
def test_drawing_first_gives_the_greedy_answer_of_the_plain_way(
    backend: TokenBackend, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    greedy = Sampling(temperature=0, max_tokens=200)
    request = ask(1, Constraint("json_schema", json.dumps(SCHEMAS[name])), greedy)
    fast = complete(Engine(backend, NoCache()), request)
    ask_first_for_the_mask(monkeypatch)
    masks = count_calls(monkeypatch, Guide, "allowed")
    plain = complete(Engine(backend, NoCache()), request)
    assert masks
    assert fast[1][2] == plain[1][2]


def test_drawing_first_gives_each_token_as_often_as_the_plain_way(
    backend: TokenBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ten digits after a prompt where other tokens are likelier, most first draws are refused;
    of most letters few are."""

    def share(pattern: str) -> dict[str, int]:
        sampling = Sampling(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, max_tokens=1)
        texts: dict[str, int] = {}
        for first in range(0, num_draws, 8):
            requests = [
                ask(first + id_, Constraint("regex", pattern), sampling) for id_ in range(8)
            ]
            for text, _, _ in complete(Engine(backend, NoCache()), *requests).values():
                texts[text[:1]] = texts.get(text[:1], 0) + 1
        return texts

    num_draws = 400
    for pattern in ("[0-9]x", "[A-Za-z ].*x"):
        with monkeypatch.context() as patched:
            fast = share(pattern)
            ask_first_for_the_mask(patched)
            plain = share(pattern)
        distance = sum(abs(fast.get(t, 0) - plain.get(t, 0)) for t in {*fast, *plain})
        assert distance / num_draws < 0.35, (fast, plain)  # chance alone makes some 0.2


def test_what_must_come_is_computed_together(
    backend: TokenBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "there is one way only to go on from here"
    monkeypatch.setattr(LookAhead, "_is_worth_it", lambda self, num_answers: True)
    engine = Engine(backend, NoCache())
    ((got, end, tokens),) = complete(engine, ask(1, Constraint("regex", f"[ab]{text}"))).values()
    assert got[1:] == text
    assert isinstance(end, Done)
    assert engine.stats.num_steps < len(tokens) / 2
    monkeypatch.setattr(LookAhead, "_is_worth_it", lambda self, num_answers: False)
    slow = Engine(backend, NoCache())
    assert complete(slow, ask(1, Constraint("regex", f"[ab]{text}")))[1][2] == tokens
    assert slow.stats.num_steps >= len(tokens)


def test_what_must_come_stops_at_max_tokens_and_at_stop_texts(backend: TokenBackend) -> None:
    constraint = Constraint("regex", "one two three four five six seven")
    for count in range(1, 6):
        short = complete(Engine(backend, NoCache()), ask(1, constraint, Sampling(max_tokens=count)))
        assert len(short[1][2]) == count
    stopped = complete(Engine(backend, NoCache()), ask(1, constraint, Sampling(stop=(" four",))))
    assert stopped[1][0] == "one two three"


def test_an_answer_that_steps_back_still_fits(
    pocket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = EngineOptions(context=300, parallel=4, cells=300, threads=1)
    stepped_back = count_calls(monkeypatch, Scheduler, "_preempt")
    with contextlib.closing(load_backend("llama_cpp", str(pocket), options, lambda _: None)) as it:
        results = complete(Engine(it), *(ask(id_, LIST) for id_ in range(4)))
    assert stepped_back
    for text, end, _ in results.values():
        assert isinstance(end, Done)
        assert end.reason == "stop"
        jsonschema.validate(json.loads(text), json.loads(LIST.text))
