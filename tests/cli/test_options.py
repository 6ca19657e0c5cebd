"""What the user set is kept; a plan fills in the rest."""

from __future__ import annotations

from edgellm.cli.options import engine_options, goal_of, with_plan
from edgellm.config import Settings
from edgellm.types import EngineOptions

PLANNED = EngineOptions(context=8192, cells=16384, threads=3, threads_batch=4, gpu_layers=12)


def test_a_plan_fills_in_what_nobody_set() -> None:
    found = with_plan(engine_options(Settings()), PLANNED)
    assert (found.context, found.cells, found.gpu_layers) == (8192, 16384, 12)
    assert (found.threads, found.threads_batch) == (3, 4)


def test_what_was_set_is_kept() -> None:
    settings = Settings(context=1000, kv_tokens=3000, threads=2, kv_type="q8_0")
    found = with_plan(engine_options(settings), PLANNED)
    assert (found.context, found.cells, found.kv_type) == (1000, 3000, "q8_0")
    assert (found.threads, found.threads_batch) == (2, 0)  # prompts then take as many
    both = with_plan(engine_options(Settings(threads_batch=6)), PLANNED)
    assert (both.threads, both.threads_batch) == (3, 6)


def test_without_a_plan_nothing_changes() -> None:
    own = engine_options(Settings(threads=2, parallel=3))
    assert with_plan(own, EngineOptions()) == own


def test_the_goal_carries_all_that_was_set() -> None:
    goal = goal_of(Settings(context=1000, parallel=2, kv_tokens=1500, batch_tokens=64, force=True))
    assert (goal.context, goal.parallel, goal.is_forced) == (1000, 2, True)
    assert (goal.options.cells, goal.options.batch_tokens) == (1500, 64)
    usual = goal_of(Settings())
    assert (usual.context, usual.parallel, usual.is_forced) == (None, None, False)
