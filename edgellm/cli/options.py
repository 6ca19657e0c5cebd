"""How an engine is started: what the user set, and what a plan says of the rest. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from edgellm.config import Settings
from edgellm.types import EngineOptions

if TYPE_CHECKING:
    from edgellm.planner.goal import Goal, Plan


def engine_options(settings: Settings, draft_path: str = "") -> EngineOptions:
    """By the settings alone."""
    return EngineOptions(
        context=settings.context,
        parallel=settings.parallel,
        threads=settings.threads,
        threads_batch=settings.threads_batch,
        batch_tokens=settings.batch_tokens,
        cells=settings.kv_tokens,
        kv_type=settings.kv_type,
        flash_attention=settings.flash_attention,
        repack=settings.repack,
        swa_cache=settings.swa_cache,
        speculate=settings.speculate,
        cache_ram=settings.cache_ram,
        draft_path=draft_path,
    )


def goal_of(settings: Settings) -> Goal:
    """What a plan has to keep to: nothing that was set is changed."""
    from edgellm.planner.goal import Goal

    is_usual = settings.parallel == Settings().parallel
    return Goal(
        context=settings.context or None,
        parallel=None if is_usual else settings.parallel,
        kv_type=settings.kv_type,
        is_forced=settings.force,
        options=engine_options(settings),
    )


def planned_options(plan: Plan, num_cores: int | None = None) -> EngineOptions:
    """What a plan says.

    Args:
        num_cores: for prompts, where the plan says that fewer threads decode faster.
    """
    threads_batch = num_cores or 0 if plan.threads else 0
    return replace(plan.options, threads_batch=threads_batch, gpu_layers=plan.gpu_layers)


def with_plan(own: EngineOptions, planned: EngineOptions) -> EngineOptions:
    """The user's own options, with what was planned where they leave the choice. Without a plan,
    `planned` leaves everything to choose, too."""
    threads, threads_batch = own.threads, own.threads_batch
    if not threads:
        threads, threads_batch = planned.threads, threads_batch or planned.threads_batch
    return replace(
        own,
        context=own.context or planned.context,
        cells=own.cells or planned.cells,
        threads=threads,
        threads_batch=threads_batch,
        gpu_layers=planned.gpu_layers if own.gpu_layers < 0 else own.gpu_layers,
    )
