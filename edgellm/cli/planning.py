"""What the plan depends on, gathered on this device or a captured one."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from msgspec.structs import replace

from edgellm.catalog.card import Catalog, ModelCard, Variant
from edgellm.cli.memory import learned_folder
from edgellm.cli.runtimes import installed_runtimes, replayed_runtimes
from edgellm.cli.settings import user_paths
from edgellm.hardware.bandwidth import with_bandwidth
from edgellm.hardware.capture import replay
from edgellm.hardware.detect import detect
from edgellm.hardware.host import Host
from edgellm.hardware.known_devices import find_all
from edgellm.hardware.native import probe_native
from edgellm.hardware.profile import HardwareProfile
from edgellm.planner import learned
from edgellm.planner.footprint import Correct, Estimator, Exact, estimator
from edgellm.planner.goal import Goal, NoFit, Plan, Situation
from edgellm.planner.memory import Breakdown, Environment
from edgellm.planner.plan import plan
from edgellm.types import EngineOptions


def look(catalog: Catalog, root: Path | None = None, *, may_measure: bool = True) -> Situation:
    """This device with what is installed here and what was measured; or a captured one, with a
    base install.

    Args:
        may_measure: the memory's bandwidth, once in each boot; takes up to 2 s.
    """
    paths = user_paths()
    with nullcontext(Host()) if root is None else replay(root) as host:
        profile = detect(host, paths.data)
        profile = with_bandwidth(profile, host, paths.cache, may_measure=may_measure)
    is_here = root is None
    runtimes = installed_runtimes(probe_native()) if is_here else replayed_runtimes(profile)
    estimate = _estimator(profile, is_here=is_here)
    return Situation(profile, catalog, runtimes, estimate, find_all(profile), is_here=is_here)


def with_exact(here: Situation, exact: Exact) -> Situation:
    """The same, where the facts of some files are known by their headers."""
    return replace(here, estimate=_estimator(here.profile, exact, is_here=here.is_here))


def _estimator(profile: HardwareProfile, exact: Exact | None = None, *, is_here: bool) -> Estimator:
    correct = learned_here(profile) if is_here else None
    return estimator(Environment(profile.cpu.features or ()), correct, exact)


def make_plan(goal: Goal, here: Situation) -> Plan | NoFit:
    """What to load here for that goal."""
    return plan(
        here.profile,
        here.catalog,
        goal,
        here.runtimes,
        here.estimate,
        known=here.known,
        measured=here.measured,
    )


def learned_here(profile: HardwareProfile) -> Correct:
    """Corrects estimates by what was measured on this device. Files are known by their digests."""

    def correct(
        _card: ModelCard,
        variant: Variant,
        options: EngineOptions,
        gpu_layers: int,
        found: Breakdown,
    ) -> Breakdown:
        digest = variant.files[0].sha256 if variant.files else None
        if digest is None:
            return found
        key = learned.key_of(digest, options, profile, gpu_layers)
        return learned.correct(learned_folder(), key, found)

    return correct
