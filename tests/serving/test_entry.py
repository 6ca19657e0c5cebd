"""What an entry knows of its model: memory, warnings, when it leaves."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

from edgellm.hardware.resident import ProcessMemory
from edgellm.protocol import Load, ModelInfo
from edgellm.serving.entry import UNUSED_SECONDS, Entry, accelerator_warnings, version_of
from edgellm.serving.meter import MIB, RUNTIME_BYTES, Meter, file_size_estimate
from edgellm.serving.process import EngineProcess
from edgellm.serving.resolver import ServedModel
from edgellm.types import Constraint, EngineOptions, GenerateRequest, Message
from tests.support.scripted_engine import INFO


def entry_of(path: Path, **options: int) -> Entry:
    model = ServedModel("m", path, options=EngineOptions(**options))
    return Entry(model, EngineProcess(Load("none", str(path))))


def info(**changes: int) -> ModelInfo:
    return msgspec.structs.replace(INFO, **changes)


@pytest.mark.parametrize(
    ("planned", "used", "said"),
    [
        (-1, 0, None),  # the runtime was to choose
        (0, 0, None),
        (28, 28, None),
        (99, 29, None),  # "all of them", and the output layer counts as one more
        (28, 0, "none of the 28 layers"),
        (99, 0, "none of the 28 layers"),
        (20, 12, "12 of the 20 layers"),
    ],
)
def test_an_accelerator_that_was_planned_and_is_not_used(
    planned: int, used: int, said: str | None
) -> None:
    options = EngineOptions(gpu_layers=planned)
    warnings = accelerator_warnings(options, info(num_layers=28, gpu_layers=used))
    assert len(warnings) == (said is not None)
    assert (said or "") in "".join(warnings)


def test_the_warning_is_in_the_status(tmp_path: Path) -> None:
    entry = entry_of(tmp_path / "m", gpu_layers=5)
    entry.note_ready(info(num_layers=5))
    assert "none of the 5" in entry.status(Meter(), 0.0).warnings[0]


def test_what_is_needed_is_the_most_that_was_estimated_seen_or_told(tmp_path: Path) -> None:
    estimate: int | None = None
    seen: ProcessMemory | None = None
    meter = Meter(estimate=lambda _m, _o: estimate, resident=lambda _pid: seen)
    entry = entry_of(tmp_path / "m", cache_ram=16)
    entry.process.pid = 1
    assert entry.needed_bytes(meter) is None
    estimate = 100
    assert entry.needed_bytes(meter) == 100
    seen = ProcessMemory(150, 200)
    entry.measure(meter)
    assert (entry.resident_bytes, entry.needed_bytes(meter)) == (150, 200)
    seen = ProcessMemory(50, 60)
    entry.measure(meter)
    assert (entry.resident_bytes, entry.needed_bytes(meter)) == (50, 200)
    entry.note_ready(info(buffer_bytes=7 * MIB))
    assert entry.needed_bytes(meter) == 23 * MIB + RUNTIME_BYTES
    entry.note_killed(1000 * MIB)
    assert entry.needed_bytes(meter) == 1000 * MIB + 1
    entry.forgive()
    assert entry.needed_bytes(meter) == 23 * MIB + RUNTIME_BYTES


def test_the_estimate_from_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"x" * 1000)
    model = ServedModel("m", path)
    assert file_size_estimate(model, EngineOptions(cache_ram=2)) == 1000 + RUNTIME_BYTES + 2 * MIB
    path.unlink()
    assert file_size_estimate(model, EngineOptions()) is None


def test_when_it_leaves(tmp_path: Path) -> None:
    entry = entry_of(tmp_path / "m")
    assert entry.expires_at() == math.inf  # it is not here
    entry.is_resident, entry.last_used = True, 100.0
    assert entry.expires_at() == math.inf  # nobody said when
    entry.keep_alive_seconds = 5.0
    assert entry.expires_at() == 100.0 + UNUSED_SECONDS  # somebody will come for it
    entry.begin()
    assert entry.expires_at() == math.inf
    entry.end(200.0)
    assert entry.expires_at() == 205.0
    status = entry.status(Meter(), 202.0)
    assert (status.idle_seconds, status.unload_seconds) == (2.0, 3.0)
    entry.is_pinned = True
    assert entry.expires_at() == math.inf


@pytest.mark.parametrize(
    ("digest", "description", "version"),
    [
        ("0123456789abcdef" * 4, "llama 7B Q4_K - Medium", "0123456789ab"),
        ("", "llama 7B Q4_K - Medium", "Q4_K-Medium"),
        ("", "qwen3moe 30B.A3B Q8_0", "Q8_0"),
        ("", "llama ?B F16", "F16"),
        ("", "llama 494M Q8_0", "Q8_0"),
        ("", "scripted", ""),
        ("", "", ""),
    ],
)
def test_a_version_tells_one_file_from_another(digest: str, description: str, version: str) -> None:
    assert version_of(ServedModel("m", Path("m.gguf"), digest=digest), description) == version


SHOWS_ALL = (
    "{% for m in messages %}<|x|>{{ m.role }}:{{ m.content }}{% endfor %}"
    "|{{ enable_thinking }}|{{ reasoning_effort }}|{{ style }}|"
    "{% if add_generation_prompt %}<think>{% endif %}{# </think> #}"
)
USER = Message("user", "Hi")


def templated(source: str) -> ModelInfo:
    return msgspec.structs.replace(INFO, chat_template=source, control_tokens=("<|x|>", "<|mid|>"))


def test_wishes_reach_the_template_and_no_control_token_does(tmp_path: Path) -> None:
    entry = entry_of(tmp_path / "m")
    request = GenerateRequest(
        "m",
        messages=(USER,),
        is_thinking=True,
        effort="high",
        template_variables={"style": "<|x|>loud", "reasoning_effort": "low"},
    )
    prompt = entry.prompt(request, templated(SHOWS_ALL))
    assert "".join(map(str, prompt)) == "<|x|>user:Hi|True|low|<|x|>loud|<think>"
    assert sum("<|x|>" in str(piece) for piece in prompt) == 1


def test_the_form_of_an_answer_is_held_to_behind_its_reasoning(tmp_path: Path) -> None:
    entry, known = entry_of(tmp_path / "m"), templated(SHOWS_ALL)
    form = Constraint("regex", "yes")

    def after(**fields: object) -> str:
        request = GenerateRequest("m", constraint=form, **fields)  # type: ignore[arg-type]
        constraint = entry.constraint(request, known, entry.prompt(request, known))
        assert constraint is not None
        return constraint.after

    assert after(messages=(USER,)) == "</think>"
    assert after(messages=(USER,), is_thinking=False) == ""
    last = Message("assistant", "It is ")
    assert after(messages=(USER, last), continues_last=True) == ""
    last = Message("assistant", "<think>It is ")
    assert after(messages=(USER, last), continues_last=True) == "</think>"
    assert after(prompt="<think>") == ""


def test_a_gap_is_filled_with_pieces_that_hold_no_control_token(tmp_path: Path) -> None:
    entry = entry_of(tmp_path / "m")
    known = msgspec.structs.replace(templated(""), fim_prefix=1, fim_suffix=2, fim_middle=3)
    request = GenerateRequest("m", prompt="a<|mid|>", suffix="b")
    assert entry.prompt(request, known) == ("", 1, "a<", "|mid|>", 2, "b", 3)
    request = GenerateRequest("m", prompt=(7, 8), suffix="b")
    assert entry.prompt(request, known) == ("", 1, 7, 8, 2, "b", 3)


def test_the_file_is_looked_at_once_for_the_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"GGUF")
    entry = entry_of(path)
    first = entry.fingerprint(INFO)
    path.unlink()
    assert entry.fingerprint(INFO) == first
    assert entry.fingerprint(info(num_layers=5)) != first
