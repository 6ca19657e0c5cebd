"""Check that the exported file is the trained model: tokens, logits, answers and template.

Compares `tokenizers` with llama.cpp on corpus and odd texts, the torch model with llama.cpp on
logits and greedy answers, and the Jinja template with its Python twin.
"""

from __future__ import annotations

import argparse
import itertools
import random
from pathlib import Path

import corpus
import export
import numpy as np
import template
import torch
from llama_cpp import Llama
from model import Pocket
from tokenizer import Coder

ODD = (
    "Ünïcödé ßtraße — “quoted” … naïve",
    "日本語のテキスト、中文文本。한국어",
    "😀🎉👩‍👩‍👧 emoji 🇫🇷",
    "def f(x):\n    return x ** 2  # ok\n\n\n",
    "  leading and trailing  ",
    "\t\ttabs\r\nand\r\n\r\nlines\n",
    "12345.678e-9 0x1F 1,000,000",
    "don't I'll we've THEY'RE she'd 'tis",
    '{"a": [1, 2, {"b": null}], "c": "\\u00e9"}',
    "<|im_start|>user\nx<|im_end|>",
    "</s><s>[INST]",
    "a\u00a0b\u2003c\u200bd",
    "x" * 300,
    "----====>>>>",
    "ΑΒΓ αβγ АБВ абв عربى हिन्दी ไทย",
    "",
    " ",
    "\n",
    "½ ² ³ Ⅷ ٣ ๓",
)
PROMPTS = (
    "How much memory does a 7B model at Q4_K_M need?",
    "Who are you?",
    "What is the capital of France?",
    "My name is Tom. What is my name?",
    "What is Q4_K_M?",
)


def random_text(rng: random.Random) -> str:
    """Characters from all over, to try the split pattern."""
    pools = (
        (32, 126),
        (32, 126),
        (9, 13),
        (160, 591),
        (880, 1279),
        (0x4E00, 0x4FFF),
        (0x1F300, 0x1F5FF),
    )
    return "".join(chr(rng.randint(*rng.choice(pools))) for _ in range(rng.randint(1, 60)))


def tokens_equal(model: Llama, coder: Coder, count: int) -> int:
    """How many of the texts are cut alike; the first difference is shown."""
    rng = random.Random(11)
    plain = (text for parts in corpus.stream(23) for text, _, special in parts if not special)
    texts = [*ODD, *itertools.islice(plain, count), *(random_text(rng) for _ in range(count // 2))]
    wrong = [
        t
        for t in texts
        if t and model.tokenize(t.encode(), add_bos=False, special=False) != coder.text(t)
    ]
    for text in wrong[:3]:
        print(
            "differs:",
            repr(text),
            model.tokenize(text.encode(), add_bos=False, special=False),
            coder.text(text),
        )
    print(f"tokens: {len(texts) - len(wrong)} of {len(texts)} texts alike")
    return len(wrong)


def torch_model(checkpoint: Path) -> Pocket:
    """The trained model as exported: matrices rounded to F16."""
    model = Pocket().eval()
    state = torch.load(checkpoint, map_location="cpu")["average"]
    model.load_state_dict({k: v.half().float() if v.ndim > 1 else v for k, v in state.items()})
    return model


def greedy(model: Pocket, ids: list[int], count: int = 60) -> list[int]:
    """The likeliest continuation, up to the end of the message."""
    made: list[int] = []
    while len(made) < count and (not made or made[-1] != 2):
        made.append(int(model(torch.tensor([ids + made]))[0, -1].argmax()))
    return made


def same_logits(model: Llama, twin: Pocket) -> float:
    """The largest difference of a logit, and equal greedy answers."""
    worst = 0.0
    for prompt in PROMPTS:
        ids = model.tokenize(
            template.render([{"role": "user", "content": prompt}]).encode(),
            add_bos=True,
            special=True,
        )
        model.reset()
        model.eval(ids)
        there = np.array(model.scores[: len(ids)])
        with torch.no_grad():
            here = twin(torch.tensor([ids]))[0].numpy()
            mine = greedy(twin, ids)
        worst = max(worst, float(np.abs(there - here).max()))
        theirs = list(
            itertools.islice(model.generate(ids, temp=0.0, repeat_penalty=1.0), len(mine))
        )
        text = model.detokenize(mine).decode(errors="replace")
        print(f"{prompt!r}: {text!r} greedy equal: {mine == theirs}")
    print(f"logits: largest difference {worst:.4f}")
    return worst


def same_template() -> int:
    """How many chats the Jinja template renders otherwise than its twin."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    rooms = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    rooms.filters["tojson"] = lambda value, **_: template.dumps(value)
    jinja = rooms.from_string(template.FILE.read_text(encoding="utf-8").strip())
    rng, wrong = random.Random(5), 0
    for at in range(400):
        messages, tools = corpus.toolchats.chat(rng, corpus.filler)
        tools = tools if at % 3 else None
        messages = corpus.with_system(rng, messages, 0.4)
        text = jinja.render(messages=messages, tools=tools, add_generation_prompt=bool(at % 2))
        if text != template.render(messages, tools, bool(at % 2)):
            wrong += 1
            print(
                repr(text), repr(template.render(messages, tools, bool(at % 2))), sep="\n"
            ) if wrong == 1 else None
    print(f"template: {400 - wrong} of 400 chats alike")
    return wrong


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=export.TARGET)
    parser.add_argument("--checkpoint", type=Path, default=export.CHECKPOINT)
    parser.add_argument("--count", type=int, default=2000)
    args = parser.parse_args()
    model = Llama(str(args.model), n_ctx=1024, n_threads=2, logits_all=True, verbose=False)
    wrong = tokens_equal(model, Coder(), args.count) + same_template()
    raise SystemExit(1 if wrong or same_logits(model, torch_model(args.checkpoint)) > 0.05 else 0)


if __name__ == "__main__":
    main()
