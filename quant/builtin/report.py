"""Write `REPORT.md` from the scores: tables, perplexity, failures and transcripts."""

from __future__ import annotations

import math
import platform
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import corpus
import facts
import heldout
import llama_cpp
import numpy as np
import prose
import template
from llama_cpp import Llama
from tokenizer import Coder

if TYPE_CHECKING:
    from evaluate import Pocket, Score

FILE = Path(__file__).with_name("REPORT.md")
TITLES = {
    "facts": "Facts",
    "recall": "Recall",
    "tools": "Tools",
    "unknown": "Unknown questions and small talk",
}
WORK = Path(__file__).with_name("work")
GOALS = (
    ("fact accuracy", "facts", (), 80),
    (
        "recall",
        "recall",
        ("name", "place", "number", "word", "pet or person", "corrected value"),
        90,
    ),
    (
        "right tool with right arguments (seen tools)",
        "tools",
        ("seen tools: right tool and arguments",),
        80,
    ),
)
TRANSCRIPTS = (
    [
        "Hi, my name is Rosalind.",
        "How much memory does a 7B model at Q4_K_M need?",
        "and at Q8_0?",
        "What is my name?",
    ],
    ["Who are you, and what can you do?"],
    ["Can a Hailo-8 run LLMs?", "And the Hailo-10H?"],
    ["What is the capital of France?"],
    ["which quant should i take for my pi 5 with 8gb"],
    [
        "My lucky number is 7402 and my dog is called Pelican.",
        "What's my dog's name?",
        "And my lucky number?",
    ],
    ["Why is my model so slow?", "Thanks!"],
    ["Write a poem about llamas."],
)


def show(scores: dict[str, Score]) -> None:
    """Print the shares."""
    for name, score in scores.items():
        for kind in score.asked:
            counts = f"{score.right[kind]} of {score.asked[kind]}, {score.share(kind):.0f} %"
            print(f"{name}: {kind}: {counts}")
    for label, name, kinds, goal in GOALS:
        print(f"== {label}: {scores[name].share(*kinds):.1f} % (goal {goal} %)")


def table(score: Score) -> list[str]:
    """A table of one skill."""
    rows = ["| kind | right | asked | share |", "|---|---|---|---|"]
    return rows + [
        f"| {k} | {score.right[k]} | {score.asked[k]} | {score.share(k):.1f} % |"
        for k in score.asked
    ]


def held_texts() -> list[tuple[list[int], list[bool]]]:
    """Held-out paragraphs (all tokens count) and chats (the answers count)."""
    coder, rng = Coder(), random.Random(1)
    texts = [
        ([0, *coder.text(text)], [True] * (len(coder.text(text)) + 1))
        for text in prose.HELD_PARAGRAPHS
    ]
    for key in rng.sample(sorted(heldout.PARAPHRASES), 40):
        turn = (heldout.PARAPHRASES[key][0], facts.BY_KEY[key].answers[0])
        ids, weights = coder.parts(template.parts(corpus.messages_of([turn])))
        texts.append(([0, *ids], [False, *(w == 1 for w in weights)]))
    return texts


def surprise(model: Llama, ids: list[int], counted: list[bool]) -> tuple[float, int]:
    """The summed loss of a text and the tokens it is summed over."""
    model.reset()
    model.eval(ids)
    logits = np.array(model.scores[: len(ids)], dtype=np.float64)
    logits -= logits.max(-1, keepdims=True)
    losses = np.log(np.exp(logits).sum(-1))[:-1] - logits[np.arange(len(ids) - 1), ids[1:]]
    kept = np.array(counted[1:])
    return float(losses[kept].sum()), int(kept.sum())


def perplexities(path: Path) -> tuple[float, float]:
    """Perplexity on the paragraphs and on the answers of the chats."""
    model = Llama(str(path), n_ctx=1024, n_threads=2, logits_all=True, verbose=False)
    sums = [surprise(model, *text) for text in held_texts()]
    count = len(prose.HELD_PARAGRAPHS)
    return tuple(
        math.exp(sum(s for s, _ in part) / sum(n for _, n in part))
        for part in (sums[:count], sums[count:])
    )


def quantised(path: Path, name: str, kind: int) -> Path:
    """The model at another quantisation."""
    target = WORK / f"pocket-{name}.gguf"
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = kind
    llama_cpp.llama_model_quantize(str(path).encode(), str(target).encode(), params)
    return target


def perplexity_table(path: Path) -> list[str]:
    """Size and perplexity by quantisation."""
    rows = ["| quantisation | size | paragraphs | answers of chats |", "|---|---|---|---|"]
    for name, kind in (("F16", 1), ("Q8_0", 7), ("Q6_K", 18), ("Q5_K_M", 17), ("Q4_K_M", 15)):
        file = path if kind == 1 else quantised(path, name, kind)
        text, chat = perplexities(file)
        rows.append(f"| {name} | {file.stat().st_size / 1e6:.1f} MB | {text:.2f} | {chat:.3f} |")
    return rows


def training() -> str:
    """How the checkpoint was trained, if it is at hand."""
    import torch

    file = WORK / "pocket.pt"
    if not file.exists():
        return "The checkpoint is not at hand, so its training time is not told."
    state = torch.load(file, map_location="cpu")
    minutes, tokens, steps = state["spent"] / 60, state["tokens"], state["step"]
    return (
        f"Trained for {minutes:.0f} minutes on two CPU cores ({platform.machine()}, bf16 autocast) "
        f"that other work shared: {steps} steps, {tokens / 1e6:.1f} million tokens, "
        f"{tokens / state['spent']:.0f} tokens/s."
    )


def transcripts(model: Pocket) -> list[str]:
    """Chats as they came, unedited."""
    from evaluate import converse

    lines = []
    for texts in TRANSCRIPTS:
        chat, _ = converse(model, texts)
        lines += ["```text", *(f"{m['role']}: {m['content']}" for m in chat), "```", ""]
    return lines


def head(path: Path, scores: dict[str, Score], leaked: list[str]) -> list[str]:
    """What was measured, how, and the three figures that count."""
    date, size = f"{datetime.now(UTC):%Y-%m-%d}", path.stat().st_size / 1e6
    goals = (
        f"| {label} | {scores[name].share(*kinds):.1f} % | {goal} % |"
        for label, name, kinds, goal in GOALS
    )
    return [
        "# pocket: what was measured",
        "",
        f"Written by `python quant/builtin/evaluate.py` on {date}. The exported GGUF runs through",
        "llama.cpp, greedy, and its own answers make the history of a chat. A fact is right when",
        "all its key phrases are in the answer; a call is right when name and arguments are equal.",
        "Questions, names, values and requests are held out: training never saw this wording. They",
        "were written by the same hands as the templates, and their failures were looked at while",
        "the model trained, to see which kinds of wording to add (never the wording itself; a few",
        "were reworded when a template came to match). A stranger's wording may fare worse.",
        f"Held-out texts that a template can also make: {len(leaked)}. {'; '.join(leaked)}".strip(),
        "",
        "Model: llama architecture, 6,557,440 parameters (7 layers of 256, vocabulary 4,096,",
        f"context 2,048), F16 file of {size:.1f} MB. {training()}",
        "",
        "| skill | measured | goal |",
        "|---|---|---|",
        *goals,
        "",
    ]


def write(path: Path, model: Pocket, scores: dict[str, Score], leaked: list[str]) -> None:
    """Write the report."""
    lines = head(path, scores, leaked)
    for name, score in scores.items():
        lines += [f"## {TITLES[name]}", "", *table(score), ""]
    lines += ["## Perplexity on held-out text", "", *perplexity_table(path), ""]
    lines += ["## Transcripts, unedited", "", *transcripts(model), "## Failures", ""]
    for name, score in scores.items():
        failed = [text.replace("\n", " ") for text in score.failures]
        lines += [f"{TITLES[name]}: {len(failed)}.", "", "```text", *failed, "```", ""]
    FILE.write_text("\n".join(lines), encoding="utf-8")
