"""The command in a report asks for the job that the report is about."""

from __future__ import annotations

import shlex

import msgspec
import pytest
from edgellm_quant.command import command_of

from edgellm.jobs.request import JobRequest


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (JobRequest("pocket", ("Q4_K_M", "Q8_0")), "edgellm quant run pocket --to Q4_K_M,Q8_0"),
        (
            JobRequest("/models/a b.gguf", out="/made", calibrate="/texts/c.txt", max_kld=0.05),
            "edgellm quant run 'a b.gguf' --calibrate c.txt --max-kld 0.05",
        ),
        (
            JobRequest("hf:o/r", budget="3GiB", adopt=True, overrides=("ffn_.*=Q6_K", "x=Q8_0")),
            "edgellm quant run hf:o/r --override 'ffn_.*=Q6_K' --override x=Q8_0 "
            "--budget 3GiB --adopt",
        ),
    ],
)
def test_a_command_says_what_was_asked(request_: JobRequest, expected: str) -> None:
    assert command_of(request_) == expected


def test_every_field_has_a_flag() -> None:
    from edgellm_quant.cli import app
    from typer.main import get_command

    run = get_command(app).commands["run"]  # type: ignore[attr-defined]
    flags = {flag for parameter in run.params for flag in (*parameter.opts, "--override")}
    for field in msgspec.structs.fields(JobRequest):
        if field.name == "source":
            continue
        changed = {"source": "s", field.name: _another(field.default)}
        words = shlex.split(command_of(JobRequest(**changed)))
        assert [word for word in words if word.startswith("--") and word not in flags] == []


def _another(default: object) -> object:
    match default:
        case bool():
            return True
        case tuple():
            return ("a=b",)
        case str():
            return "x"
        case _:
            return 1
