"""What an evaluation tells of memory corrects this device's next estimates (`planner/learned.py`).

Only for llama.cpp, whose memory is estimated part by part. The evaluation is one process, as the
engine is, with a context of its own; the server beside an engine is added to it. What differs from
the estimate by half and more is not kept.
"""

from __future__ import annotations

from pathlib import Path

from edgellm.cli.memory import learned_folder
from edgellm.hardware.profile import HardwareProfile
from edgellm.planner import learned
from edgellm.planner.header_facts import facts_of_header
from edgellm.planner.memory import SERVER_BYTES, Environment, estimate
from edgellm.store.gguf_header import read_header
from edgellm.types import EngineOptions
from edgellm_quant.spec import Made

CONTEXT = 512  # tokens, as evaluations have it by default


def learn(made: Made, profile: HardwareProfile, *, context: int = CONTEXT) -> bool:
    """Keep what the file took; whether it was kept.

    Args:
        context: of the evaluation.

    Raises:
        ModelFileError: the file's header cannot be read.
    """
    taken = made.evaluation.cost.resident_bytes if made.evaluation is not None else 0
    if made.runtime != "llama_cpp" or not taken or not made.sha256:
        return False
    options = EngineOptions(context=context, parallel=1, cells=context)
    facts = facts_of_header(read_header(Path(made.path)))
    predicted = estimate(facts, options, Environment(profile.cpu.features or ()))
    key = learned.key_of(made.sha256, options, profile)
    return learned.record(learned_folder(), key, predicted, taken + SERVER_BYTES)
