"""What an evaluation tells of memory corrects this device's next estimates (`planner/learned.py`).

The evaluation is a process like an engine with its default options, but it fills little of its
cache: what it took is less than what full use takes. So an estimate that was too low even for that
is raised, and none is lowered. Only llama.cpp's memory is estimated part by part.
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


def learn(made: Made, profile: HardwareProfile) -> bool:
    """Keep what the file took on this device, if it was more than expected; whether it was kept.

    Raises:
        ModelFileError: the file's header cannot be read.
    """
    taken = made.evaluation.cost.resident_bytes if made.evaluation is not None else 0
    if made.runtime != "llama_cpp" or not taken or not made.sha256:
        return False
    options = EngineOptions()
    facts = facts_of_header(read_header(Path(made.path)))
    predicted = estimate(facts, options, Environment(profile.cpu.features or ()), gpu_layers=0)
    peak = taken + SERVER_BYTES  # beside an engine there is a server
    if peak <= predicted.total:
        return False
    key = learned.key_of(made.sha256, options, profile)
    return learned.record(learned_folder(), key, predicted, peak)
