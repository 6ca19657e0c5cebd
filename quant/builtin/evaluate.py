"""Measure the exported model through llama.cpp and write `REPORT.md`.

Prompts are cut into tokens as the server does it: control tokens only from the template, text of
users as plain text. Answers are greedy. Every question, name and request is held out: see
`heldout.py`, `heldout_chats.py`, `heldout_names.py` and `toolbox.HELD_TOOLS`.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import corpus
import facts
import heldout
import heldout_chats
import heldout_names
import recall
import template
import toolbox
import toolchats
from llama_cpp import Llama

LONGEST = 140
POOLS = {
    "people": heldout_names.PEOPLE,
    "places": heldout_names.PLACES,
    "words": heldout_names.WORDS,
    **heldout_chats.VALUES,
}
TABLE = {row[0].split("|")[0]: row for row in toolbox.TOOLS}
Chat = list[dict]


class Pocket:
    """The exported model behind llama.cpp."""

    def __init__(self, path: Path, threads: int = 2) -> None:
        self.llama = Llama(
            str(path), n_ctx=2048, n_threads=threads, n_threads_batch=threads, verbose=False
        )
        self.special = {text: at for at, text in enumerate(template.SPECIALS)}

    def ids(self, chat: Chat, tools: list[dict] | None = None) -> list[int]:
        """The prompt of a chat."""
        ids = [0]
        for text, _, special in [
            *template.parts(chat, tools),
            (template.START, 0, True),
            ("assistant\n", 0, False),
        ]:
            ids += (
                [self.special[text]]
                if special
                else self.llama.tokenize(text.encode(), add_bos=False, special=False)
            )
        return ids

    def answer(self, chat: Chat, tools: list[dict] | None = None) -> str:
        """The greedy answer."""
        made: list[int] = []
        for token in self.llama.generate(self.ids(chat, tools), temp=0.0, repeat_penalty=1.0):
            if token in (0, 2) or len(made) == LONGEST:
                break
            made.append(token)
        return self.llama.detokenize(made).decode(errors="replace")


@dataclass
class Score:
    """Counts of a skill, by kind, with the failures."""

    right: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    asked: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    failures: list[str] = field(default_factory=list)

    def add(self, kind: str, good: bool, note: str) -> None:
        """Count one case."""
        self.asked[kind] += 1
        self.right[kind] += good
        if not good:
            self.failures.append(f"[{kind}] {note}")

    def share(self, *kinds: str) -> float:
        """The share of right cases in percent."""
        kinds = kinds or tuple(self.asked)
        return 100 * sum(self.right[k] for k in kinds) / max(1, sum(self.asked[k] for k in kinds))


def user(text: str) -> dict:
    """A message of the user."""
    return {"role": "user", "content": text}


def converse(model: Pocket, texts: list[str]) -> tuple[Chat, str]:
    """A chat in which the model answers every turn itself; the last answer."""
    chat: Chat = []
    answer = ""
    for text in texts:
        chat.append(user(text))
        answer = model.answer(chat)
        chat.append({"role": "assistant", "content": answer})
    return chat, answer


def score_facts(model: Pocket) -> Score:
    """Paraphrased questions: right when every key phrase is in the answer."""
    score = Score()
    for key, texts in heldout.PARAPHRASES.items():
        fact = facts.BY_KEY[key]
        for text in texts:
            answer = model.answer([user(text)])
            score.add(fact.group, all(must in answer for must in fact.must), f"{text} -> {answer}")
    return score


def score_unknown(model: Pocket) -> Score:
    """Questions beyond the model, and small talk."""
    score = Score()
    for text in heldout.UNKNOWN:
        answer = model.answer([user(text)])
        score.add("unknown questions", "don't know" in answer, f"{text} -> {answer}")
    for text, must in heldout.SMALL:
        answer = model.answer([user(text)])
        score.add("small talk", must in answer, f"{text} -> {answer}")
    return score


def score_recall(model: Pocket) -> Score:
    """Values told, zero to four turns of other talk, and the question."""
    score, rng = Score(), random.Random(4)
    for kind, cases in heldout_chats.RECALL.items():
        for pool, tell, ask in cases:
            for gap in (0, 0, 1, 2, 3, 4):
                value = rng.choice(POOLS[pool])
                texts = [tell.replace("{v}", value), *rng.sample(heldout_chats.TALK, gap), ask]
                _, answer = converse(model, texts)
                score.add(kind, value in answer, f"{value} gap {gap}: {ask} -> {answer}")
    score_corrections(model, score)
    score_far(model, rng, score)
    return score


def score_far(model: Pocket, rng: random.Random, score: Score) -> None:
    """A name told before twenty other turns, about 1,200 tokens earlier."""
    talk = [texts[0] for texts in heldout.PARAPHRASES.values()]
    for name in heldout_names.PEOPLE[:8]:
        texts = [f"Hello, I am {name}.", *rng.sample(talk, 20), "What is my name?"]
        chat, answer = converse(model, texts)
        note = f"{name} {len(model.ids(chat))} tokens: {answer}"
        score.add("name before twenty other turns", name in answer, note)


def score_corrections(model: Pocket, score: Score) -> None:
    """A value corrected later, and values never told."""
    people, places = heldout_names.PEOPLE, heldout_names.PLACES
    for at in range(4):
        for tell, again, ask in heldout_chats.CORRECTIONS:
            new = {"a": people[at], "b": people[-1 - at], "c": places[at], "d": places[-1 - at]}
            _, answer = converse(model, [tell.format(**new), again.format(**new), ask])
            want = new["b"] if "name" in ask else new["d"] if "live" in ask else "7402"
            score.add("corrected value", want in answer, f"{want}: {ask} -> {answer}")
    for ask in heldout_chats.NEVER_TOLD:
        answer = model.answer([user(ask)])
        score.add("never told (says so)", "not told" in answer, f"{ask} -> {answer}")


def plain_schema(row: tuple) -> tuple[dict, list[str]]:
    """A tool of a table under its first names, with descriptions."""
    names, about, params, *_ = row
    fields = [(p[0].split("|")[0], p[1], p[2].split("|")[0]) for p in params]
    properties = {name: toolchats.kind_schema(kind, text) for name, kind, text in fields}
    function = {
        "name": names.split("|")[0],
        "description": about.split("|")[0],
        "parameters": {"type": "object", "properties": properties, "required": list(properties)},
    }
    return {"type": "function", "function": function}, [field[0] for field in fields]


def offered(rng: random.Random, row: tuple) -> list[dict]:
    """The tool wanted among up to three others."""
    others = [
        r
        for r in toolbox.TOOLS
        if r is not row and not set(r[0].split("|")) & set(row[0].split("|"))
    ]
    schemas = [plain_schema(r)[0] for r in (row, *rng.sample(others, rng.randint(0, 3)))]
    rng.shuffle(schemas)
    return schemas


def parsed(answer: str) -> dict | None:
    """The call in an answer, if it is exactly one."""
    if answer.count("<tool_call>") != 1:
        return None
    try:
        return json.loads(answer.split("<tool_call>")[1].split("</tool_call>")[0])
    except json.JSONDecodeError:
        return None


def score_call(
    model: Pocket,
    rng: random.Random,
    row: tuple,
    values: list[str],
    text: str,
    kind: str,
    score: Score,
) -> None:
    """One request that needs a call: the name, and name with arguments."""
    schema, names = plain_schema(row)
    answer = model.answer([user(toolchats.fill(text, values))], offered(rng, row))
    call = parsed(answer) or {}
    right = call.get("name") == schema["function"]["name"]
    kinds = [toolchats.kind_schema(p[1], "")["type"] for p in row[2]]
    want = {
        n: v if k == "string" else json.loads(v)
        for n, v, k in zip(names, values, kinds, strict=True)
    }
    note = f"{toolchats.fill(text, values)} -> {answer}"
    score.add(f"{kind}: right tool", right, note)
    score.add(f"{kind}: right tool and arguments", right and call.get("arguments") == want, note)


def score_tools(model: Pocket) -> Score:
    """Requests for seen and unseen tools, and requests for none."""
    score, rng = Score(), random.Random(9)
    for name, pools, text in heldout_chats.SEEN:
        for _ in range(2):
            values: list[str] = []
            for pool in pools:
                values.append(rng.choice([v for v in POOLS[pool] if v not in values]))
            score_call(model, rng, TABLE[name], values, text, "seen tools", score)
    for row in toolbox.HELD_TOOLS:
        for text in row[3]:
            for _ in range(2):
                values = [held_value(rng, p[3]) for p in row[2]]
                score_call(model, rng, row, values, text, "unseen tools", score)
    score_without(model, rng, score)
    return score


def held_value(rng: random.Random, maker: str) -> str:
    """A value of a kind for an unseen tool."""
    pools = {
        "city": "places",
        "invented": "people",
        "name": "people",
        "code": "codes",
        "percent": "percents",
        "number": "numbers",
        "small": "small",
        "clock": "clocks",
    }
    return rng.choice(POOLS[pools[maker]])


def score_without(model: Pocket, rng: random.Random, score: Score) -> None:
    """Tools offered that do not fit, plain questions beside tools, and results told."""
    for name, text in heldout_chats.ABSTAIN:
        answer = model.answer([user(text)], [plain_schema(TABLE[name])[0]])
        score.add(
            "none fits: says so",
            "don't know" in answer and "<tool_call>" not in answer,
            f"({name}) {text} -> {answer}",
        )
    for name, text, must in heldout_chats.PLAIN_WITH_TOOLS:
        answer = model.answer([user(text)], [plain_schema(TABLE[name])[0]])
        score.add("plain question beside tools", must in answer, f"({name}) {text} -> {answer}")
    for name, pools, text in heldout_chats.SEEN[::3]:
        told_result(model, rng, TABLE[name], [rng.choice(POOLS[p]) for p in pools], text, score)


def told_result(
    model: Pocket, rng: random.Random, row: tuple, values: list[str], text: str, score: Score
) -> None:
    """Give the result of a call and look for its values in the sentence."""
    schema, names = plain_schema(row)
    results = {key: toolchats.make(rng, kind) for key, kind in row[4].items() if kind[0] != "="}
    if not results:
        return
    call = {
        "function": {
            "name": schema["function"]["name"],
            "arguments": dict(zip(names, values, strict=True)),
        }
    }
    chat = [
        user(toolchats.fill(text, values)),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": json.dumps(results)},
    ]
    answer = model.answer(chat, [schema])
    score.add(
        "result told in a sentence",
        all(str(v) in answer for v in results.values()),
        f"{results} -> {answer}",
    )


def plain(text: str) -> str:
    """A question without case and closing signs."""
    return text.lower().strip(" ?.!")


def templates() -> list[str]:
    """Every template of the corpus that asks, tells or requests."""
    asked = [text for fact in facts.FACTS for text in corpus.TEMPLATES[fact.key]]
    told = [text for trait in recall.TRAITS for text in (*trait.tells, *trait.asks)]
    tools = [text for row in toolbox.TOOLS for text in toolchats.asks_of(row)]
    return [*asked, *told, *tools]


def leaks() -> list[str]:
    """Held-out questions and requests that a template of the corpus can make as well."""
    rng = random.Random(77)
    made = {plain(corpus.words.expand(rng, text)) for text in templates() for _ in range(60)}
    held = [text for texts in heldout.PARAPHRASES.values() for text in texts]
    held += [text for _, _, text in heldout_chats.SEEN]
    held += [text for cases in heldout_chats.RECALL.values() for case in cases for text in case[1:]]
    return [text for text in held if plain(text) in made]


def main() -> None:
    """Command line."""
    import report
    from export import TARGET

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=TARGET)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="print the shares, write no report")
    args = parser.parse_args()
    model = Pocket(args.model, args.threads)
    skills = {
        "facts": score_facts,
        "recall": score_recall,
        "tools": score_tools,
        "unknown": score_unknown,
    }
    scores = {name: skill(model) for name, skill in skills.items()}
    report.show(scores)
    if not args.quick:
        report.write(args.model, model, scores, leaks())


if __name__ == "__main__":
    main()
