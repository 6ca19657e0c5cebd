"""How much main memory an engine takes for computed prompts where nobody said how much.

Reckoned from what could be had before the model was loaded, less all that it will use. What can be
had afterwards says too much: a KV cache and buffers take memory as they are first written to, and
the pages of a mapped file count as free, though every step reads them. Knows no device.
"""

from __future__ import annotations

MIB = 1024 * 1024
MOST_BYTES = 1024 * MIB
LEAST_BYTES = 64 * MIB
SPARE_SHARE = 0.25  # of the memory that will be free once the model uses all of its own
MOST_MODEL_SHARE = 4  # times the size of the model's weights


def spare_bytes(
    model_bytes: int, available_bytes: int | None, buffer_bytes: int, grown_bytes: int = 0
) -> int:
    """What this device can spare, and no more than suits the model; a little where it does not
    tell.

    Args:
        model_bytes: the weights' size.
        available_bytes: that could be had before the load.
        buffer_bytes: of the model's weights, KV cache and computing, in use or not yet.
        grown_bytes: what the load has made this process larger by.
    """
    left = (available_bytes or 0) - max(buffer_bytes, grown_bytes)
    most = min(MOST_BYTES, MOST_MODEL_SHARE * model_bytes)
    return max(LEAST_BYTES, min(most, int(left * SPARE_SHARE)))
