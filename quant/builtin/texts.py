"""Write the texts that quantised models are calibrated and evaluated with, into the package.

    python quant/builtin/texts.py     # 1 s: quant/edgellm_quant/_assets/*.txt.gz

Both are ours to give: passages written for them (`passages.py`), and parts of this repository
(code, documentation, the built-in model's questions and answers). What is in one is not in the
other. A change of a text changes every figure that was measured on it, so this is run on purpose
only, and then the golden figures of `tests/quant` are measured again.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import facts
import heldout
import passages
import prose
import words

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "quant" / "edgellm_quant" / "_assets"
CODE = ("edgellm/chat", "edgellm/engine", "edgellm/hardware", "edgellm/serving", "edgellm/store")
EXCERPT = 2_400  # bytes of a file: many files say more than much of one
PLACES = (
    "Harbour",
    "Old Town",
    "Airport",
    "North Hill",
    "Mill Road",
    "Lakeside",
    "Quarry",
    "Depot",
)


def main() -> None:
    """Write both."""
    ASSETS.mkdir(exist_ok=True)
    calibration = [*passages.CALIBRATION, *asked(), *prose.PARAGRAPHS, *code(0, 14), *tables(1, 8)]
    calibration += sections("README.md")
    evaluation = [
        *passages.EVALUATION,
        *held_out(),
        *prose.HELD_PARAGRAPHS,
        *code(1, 6),
        *tables(2, 4),
    ]
    evaluation += sections("docs/architecture.md")[:6]
    write("calibration", calibration)
    write("evaluation", evaluation)


def write(name: str, pieces: list[str]) -> None:
    """The pieces in a fixed disorder; the same bytes whenever nothing has changed."""
    random.Random(name).shuffle(pieces)
    text = "\n\n".join(piece.strip() for piece in pieces) + "\n"
    path = ASSETS / f"{name}.txt.gz"
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{path.name}: {len(text.encode())} bytes of text, {path.stat().st_size} compressed")


def asked() -> Iterator[str]:
    """Every other fact, asked as the built-in model is taught it, with its answer."""
    rng = random.Random(0)
    for fact in facts.HAND[::2]:
        ask = words.expand(rng, rng.choice(facts.templates(fact)))
        yield f"User: {ask}\nAssistant: {fact.answers[0]}"


def held_out() -> Iterator[str]:
    """The other facts, asked in words that training does not see."""
    for fact in facts.HAND[1::2]:
        for ask in heldout.PARAPHRASES.get(fact.key, ()):
            yield f"User: {ask}\nAssistant: {fact.answers[0]}"


def code(part: int, count: int) -> Iterator[str]:
    """The beginnings of every other file of this repository's code."""
    files = sorted(path for folder in CODE for path in (ROOT / folder).glob("[a-z]*.py"))
    for path in files[part::2][:count]:
        yield path.read_text()[:EXCERPT].rsplit("\n\n", 1)[0]


def sections(name: str) -> list[str]:
    """A document, cut at its headings."""
    head, *rest = (ROOT / name).read_text().split("\n## ")
    return [head, *(f"## {section}" for section in rest)]


def tables(seed: int, count: int) -> Iterator[str]:
    """Numbers in the shapes that they have in files: CSV, aligned columns, dates, hexadecimal."""
    rng = random.Random(seed)
    for _ in range(count):
        rows = [
            f"{rng.choice(PLACES)},{rng.randint(2018, 2025)}-{rng.randint(1, 12):02}-"
            f"{rng.randint(1, 28):02},{rng.uniform(-20, 40):.1f},{rng.randint(0, 99999)},"
            f"{rng.getrandbits(32):08x}"
            for _ in range(9)
        ]
        yield "place,date,celsius,count,checksum\n" + "\n".join(rows)
        yield "\n".join(
            f"{a} {sign} {b} = {result}"
            for a, b in ((rng.randint(2, 999), rng.randint(2, 99)) for _ in range(5))
            for sign, result in (("+", a + b), ("-", a - b), ("*", a * b))
        )


if __name__ == "__main__":
    main()
