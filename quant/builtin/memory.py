"""Memory that a model of a given size needs at a given quantisation, as facts.

The weights take `parameters * bits / 8` bytes; the whole is the weights, the KV cache of 4,096
tokens in F16, and 0.4 GB of buffers. Parameter counts and caches are those of a common model of
each size class (Llama 3.2 1B/3B, Qwen2.5 0.5B/1.5B/14B, Mistral 7B, Llama 3.1 8B/70B, Llama 2 13B,
Qwen3 4B/30B-A3B).
"""

# ruff: noqa: E501

from __future__ import annotations

from facts_asked import MORE_FIT, MORE_GRID, MORE_RAM

SIZES = {
    "0.5B": (0.49, 12_288),
    "1B": (1.24, 32_768),
    "1.5B": (1.54, 28_672),
    "3B": (3.21, 114_688),
    "4B": (4.02, 147_456),
    "7B": (7.25, 131_072),
    "8B": (8.03, 131_072),
    "13B": (13.02, 819_200),
    "14B": (14.77, 196_608),
    "30B": (30.5, 98_304),
    "70B": (70.6, 327_680),
}
BITS = {"Q4_K_M": 4.85, "Q5_K_M": 5.7, "Q6_K": 6.6, "Q8_0": 8.5, "F16": 16.0}
RAMS = (2, 4, 8, 16, 32, 64)
SPARE = 0.7
SPOKEN = {
    "Q4_K_M": "Q4_K_M|Q4_K_M|Q4_K_M|q4_k_m|Q4 K M|Q4_K|Q4|4-bit|4 bit|4 bits",
    "Q5_K_M": "Q5_K_M|Q5_K_M|Q5_K_M|q5_k_m|Q5_K|Q5|5-bit|5 bits",
    "Q6_K": "Q6_K|Q6_K|Q6_K|q6_k|Q6|6-bit|6 bits",
    "Q8_0": "Q8_0|Q8_0|Q8_0|q8_0|Q8|8-bit|8 bit|8 bits|int8",
    "F16": "F16|F16|F16|f16|FP16|fp16|16-bit|half precision|16 bits",
}


def weights(size: str, quant: str) -> float:
    """Gigabytes of weights."""
    return SIZES[size][0] * BITS[quant] / 8


def whole(size: str, quant: str) -> float:
    """Gigabytes of memory with a context of 4,096 tokens."""
    return weights(size, quant) + SIZES[size][1] * 4096 / 1e9 + 0.4


def shown(gigabytes: float) -> str:
    """One decimal below 20 GB, none above."""
    return f"{gigabytes:.1f} GB" if gigabytes < 20 else f"{gigabytes:.0f} GB"


# fmt: off
ASKS = (
    "how much (memory|RAM|VRAM) (does|would|will|do) a {s} (model|LLM|) (at|in|with) {q} (need|take|use|require|eat|want)?",
    "how much (memory|RAM|space) do I need (for|to run|to load|to use) a {s} (model|LLM) (at|in|with|quantised to) {q}?",
    "how (big|large|heavy) is a {s} (model|LLM|) (at|in|with) {q}?",
    "(what is|what's) the (size|memory need|file size|memory use|footprint|memory requirement) of a {s} (model|LLM) (at|in|with) {q}?",
    "how many (gigabytes|GB) (does|is|are needed for|for) a {s} (model|LLM) (at|in) {q}( need|)?",
    "{s} (at|in|with|) {q}: how much (memory|RAM)?",
    "(memory|RAM) (for|of|needed for|need of) (a |){s} {q}( model|)?",
    "{q} (memory|RAM|size) (for|of) (a |){s}( model|)?",
    "(a |){s} (model|) at {q} (needs|takes|uses) how much (memory|RAM)?",
    "(I want|I plan|I would like|I'd like) to (run|load|use) a {s} (model|LLM) at {q}. How much (memory|RAM) (do I need|does it need|will it take|is that)?",
    "how much (does|would) a {q} (quant|quantisation|version|file) of a {s} (model|LLM) (take|need|weigh|occupy)?",
    "what (memory|RAM) does a {q} {s} (model|LLM|) (need|require|take)?",
    "(tell me|give me|say) the (memory|RAM|memory need|size) of a {s} model at {q}.",
    "what does a {s} (model|LLM) (cost|need|take) (in memory|in RAM) at {q}?",
)
PLAIN = (
    "how much (memory|RAM|VRAM) (does|would|will) a {s} (model|LLM|) (need|take|use|require)?",
    "how much (memory|RAM) do I need (for|to run) a {s} (model|LLM)?",
    "how (big|large) is a {s} (model|LLM)?",
    "(memory|RAM) (for|of|needed for) a {s}( model|)?",
    "how many (gigabytes|GB) does a {s} (model|LLM) need?",
)
FIT_ASKS = (
    "(does|will|can|would) a {s} (model|LLM|) (fit|run|work|fit well) (in|on|within|with) {r}( of memory| of RAM| RAM|)?",
    "can I (run|use|load|fit) a {s} (model|LLM) (in|on|with) {r}( of memory| of RAM| RAM|)?",
    "is {r} (of memory |of RAM |)(enough|sufficient|good enough) for a {s} (model|LLM)?",
    "(I have|my board has|my device has|with) {r} (of RAM|of memory|). (Can I run|Does|Will it run|Can it run) a {s}( model fit| model|)?",
    "{s} (model |)(in|on|with) {r}( RAM|), (possible|does that work|does it fit|will it fit|ok)?",
)
RAM_ASKS = (
    "(what|which) (model|models|size|size of model) (fits|fit|can I run|runs|run) (in|on|with|within) {r}( of memory| of RAM| RAM|)?",
    "what can I run (with|on|in) {r}( of memory| of RAM| RAM|)?",
    "(I have|my board has|my machine has|my device has) {r} (of RAM|of memory|). (What|Which model|Which models) (can I run|fits|fit|should I take)?",
    "how (big|large) a model (fits in|can I run on|can I run in|fits into|can I run with) {r}( of memory| of RAM|)?",
    "(what is|what's) the (largest|biggest) model (for|in|that fits in|that fits into|I can run in) {r}( of memory| of RAM|)?",
    "best model for {r}( of memory| of RAM| RAM|)?",
    "(recommend|suggest) a model for {r}( of memory| of RAM|).",
)
# fmt: on


def spoken(size: str) -> str:
    """How a size is said."""
    figure = size[:-1]
    return f"{size}|{size}|{size}|{figure} billion parameter|{figure} billion|{size.lower()}|{figure} B"


def fill(asks: tuple[str, ...], **words: str) -> tuple[str, ...]:
    """Templates with alternatives put in for their slots."""
    filled = asks
    for slot, choices in words.items():
        filled = tuple(text.replace("{" + slot + "}", f"({choices})") for text in filled)
    return filled


def article(size: str) -> str:
    """`An 8B`, `A 7B`."""
    return f"An {size}" if size.startswith("8") else f"A {size}"


def grid_answer(size: str, quant: str) -> str:
    """The sentence on one cell of the table."""
    return (
        f"{article(size)} model at {quant} needs about {shown(weights(size, quant))} for the weights and "
        f"about {shown(whole(size, quant))} of memory in all with a 4,096-token context."
    )


def grid_row(size: str, quant: str) -> tuple:
    """The fact on one cell; a question without a quantisation means Q4_K_M."""
    asks = fill((*ASKS, *MORE_GRID), s=spoken(size), q=SPOKEN[quant])
    if quant == "Q4_K_M":
        asks = asks + fill(PLAIN, s=spoken(size))
    must = (size, quant, shown(weights(size, quant)), shown(whole(size, quant)))
    return (f"grid {size} {quant}", "", asks, grid_answer(size, quant), must)


def fits(size: str, ram: int) -> bool:
    """Whether a size at Q4_K_M fits beside the operating system."""
    return whole(size, "Q4_K_M") + SPARE <= ram


def fit_row(size: str, ram: int) -> tuple:
    """The fact on whether one size fits in one memory."""
    need = shown(whole(size, "Q4_K_M"))
    start = f"{article(size)} model at Q4_K_M needs about {need} of memory, so"
    end = "it fits in" if fits(size, ram) else "it does not fit in"
    asks = fill(
        (*FIT_ASKS, *MORE_FIT), s=spoken(size), r=f"{ram} GB|{ram}GB|{ram} gigabytes|{ram} gig"
    )
    return (f"fit {size} {ram}", "", asks, f"{start} {end} {ram} GB.", (need, end))


def ram_row(ram: int) -> tuple:
    """The fact on the largest size for one memory."""
    best = [size for size in SIZES if fits(size, ram)][-1]
    need = shown(whole(best, "Q4_K_M"))
    answer = f"In {ram} GB a model of up to {best} at Q4_K_M fits: it needs about {need} of memory."
    asks = fill((*RAM_ASKS, *MORE_RAM), r=f"{ram} GB|{ram}GB|{ram} gigabytes|{ram} gig")
    return (f"ram {ram}", "", asks, answer, (f"up to {best}", need))


GRID_FACTS = tuple(grid_row(size, quant) for size in SIZES for quant in BITS)
FIT_FACTS = (
    *(fit_row(size, ram) for size in SIZES for ram in RAMS),
    *(ram_row(ram) for ram in RAMS),
)
