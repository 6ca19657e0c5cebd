"""What an answer's next token costs: the bytes that it touches, and what reading them takes.

Decode of one sequence reads every weight that the token uses, and the keys and values of all tokens
before it, once. Not known: several sequences at a time, prompts, types of weights that this CPU
unpacks slowly, and how fast it reads, which is measured.
"""

from __future__ import annotations

from edgellm.planner.facts import ModelFacts
from edgellm.planner.memory import kv_bytes

# Measured on x86 with `benches.plan_accuracy`. What a step takes apart from reading:
STEP_SECONDS = 0.001  # sampling, the text, its way to the client
LAYER_SECONDS = 0.00006  # of a layer: threads wait for each other after each operation
READ_SHARE = 0.7  # of the rate of a loop that only reads: decode unpacks and multiplies as well


def decode_bytes(facts: ModelFacts, num_tokens: int, kv_type: str = "f16") -> int:
    """Read for the token behind `num_tokens` others."""
    weights = sum(
        weight.size_bytes * weight.read_share
        for weight in facts.weights
        if weight.place != "unused"
    )
    seen = (
        kv_bytes(layer, min(num_tokens, facts.window) if layer.has_window else num_tokens, kv_type)
        for layer in facts.layers
    )
    states = 4 * sum(layer.state_values for layer in facts.layers)
    return int(weights) + sum(seen) + 2 * states  # a state is written as well


def decode_tokens_per_second(
    facts: ModelFacts, bytes_per_second: float, num_tokens: int = 0, kv_type: str = "f16"
) -> float:
    """Of one sequence alone, on a device whose cores together can read memory that fast."""
    overhead = STEP_SECONDS + LAYER_SECONDS * len(facts.layers)
    reading = decode_bytes(facts, num_tokens, kv_type) / (READ_SHARE * bytes_per_second)
    return 1 / (overhead + reading)
