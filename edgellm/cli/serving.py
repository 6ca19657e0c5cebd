"""Running the server inside this process: for `serve`, and privately for `run` and `chat`.

Imported only by commands that serve, for it takes the router along; FastAPI and uvicorn follow
once the engine's process has been started, so that both load at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgellm.assets import builtin_model
from edgellm.cli.catalogue import user_catalog
from edgellm.cli.memory import device_meter
from edgellm.cli.models import LocalModels
from edgellm.cli.options import engine_options, planned_options, with_plan
from edgellm.cli.settings import user_paths
from edgellm.cli.store import store_of
from edgellm.cli.stored import StoredModels
from edgellm.cli.tuned import with_tuning
from edgellm.config import Settings
from edgellm.errors import ConfigError, EdgellmError, PortInUse
from edgellm.hardware.host import Host
from edgellm.jobs.store import JobStore
from edgellm.serving.meter import MIB, Meter
from edgellm.serving.pool import Policy
from edgellm.serving.quant_jobs import QuantJobs
from edgellm.serving.resolver import ServedModel
from edgellm.serving.router import Router
from edgellm.store.sources.local import check_model_file
from edgellm.types import EngineOptions, UpgradeStatus
from edgellm.units import parse_duration

if TYPE_CHECKING:
    import uvicorn

    from edgellm.planner.goal import Plan
    from edgellm.serving.upgrade import Upgrade

logger = logging.getLogger(__name__)

BUILTIN_ID = "pocket"
LEAST_CACHE_MIB, MOST_CACHE_MIB = 16, 1024  # for computed prompts of one model of several
CACHE_SHARE = 16  # a model's part of the memory that all may take
STREAMS_GRACE_SECONDS = 4.0  # that running answers get once the server is told to stop
QUIET_SECONDS = 2.0  # after the start, and between two looks whether anybody is being answered
_LAST_GRACE_SECONDS = 2.0  # after that, for their error events to leave
_BACKLOG = 2048


class RunningServer:
    """A router and its HTTP server on a socket; `stop()` may be called from a signal handler."""

    def __init__(self, url: str, router: Router, http: uvicorn.Server, task: asyncio.Task[None]):
        self.url = url
        self.router = router
        self.task = task  # ends when the last connection is closed after `stop()`
        self._http = http
        self._closing: asyncio.Task[None] | None = None
        self._is_hurried = asyncio.Event()

    def stop(self) -> None:
        """Take no more requests; running answers end by themselves, or with an error soon.

        The second call does not wait for them.
        """
        if self._closing is None:
            self._http.should_exit = True
            self._closing = asyncio.create_task(self._end_streams())
        else:
            self._is_hurried.set()

    async def aclose(self) -> None:
        """Stop, and wait until the last connection is closed and the engine has ended."""
        if self._closing is None:
            self.stop()
        assert self._closing is not None
        await asyncio.gather(self.task, self._closing)

    async def _end_streams(self) -> None:
        """Closing the router fails what still runs, so that every stream gets its error event."""
        hurried = asyncio.create_task(self._is_hurried.wait())
        await asyncio.wait(
            {self.task, hurried},
            timeout=STREAMS_GRACE_SECONDS,
            return_when=asyncio.FIRST_COMPLETED,
        )
        hurried.cancel()
        await self.router.aclose()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket, before anything slow is done. Port 0 picks a free one.

    It listens at once: on Linux two sockets with SO_REUSEADDR can be bound to the same port as
    long as neither listens, and early clients then wait in the queue instead of being refused.
    """
    family, address = _resolve(host, port)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _bind_error(error, host, port) from error
    listener.setblocking(False)
    return listener


def _resolve(host: str, port: int) -> tuple[int, tuple[object, ...]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(
            f"The host '{host}' is not known: {error.strerror}.",
            "Use --host 127.0.0.1 (this device only) or --host 0.0.0.0 (the network).",
        ) from error
    # `localhost` is often ::1 first, while clients are told 127.0.0.1.
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, address


def _bind_error(error: OSError, host: str, port: int) -> PortInUse | ConfigError:
    match error.errno:
        case errno.EADDRINUSE:
            return PortInUse(host, port)
        case errno.EACCES:
            return ConfigError(
                f"Port {port} may not be opened: permission denied.",
                "Ports below 1024 belong to root; choose a larger one with --port.",
            )
        case errno.EADDRNOTAVAIL:
            return ConfigError(
                f"{host} is not an address of this device.",
                "Use --host 127.0.0.1 (this device only) or --host 0.0.0.0 (the network).",
            )
    return ConfigError(f"Cannot listen on {host}:{port}: {error.strerror}.")


def address_of(listener: socket.socket) -> str:
    """`http://host:port` as a client on this device calls it."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (not a binding)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def served_model(spec: str, aliases: tuple[str, ...] = ()) -> ServedModel:
    """The model that a user named: a GGUF file, or "" (or its name) for the built-in one.

    Raises:
        ModelFileError: the file is absent or no GGUF.
    """
    if spec in ("", BUILTIN_ID) and not Path(spec or ".").is_file():
        card = user_catalog().find(BUILTIN_ID)
        parser = card.parser if card else None
        return ServedModel(BUILTIN_ID, check_model_file(builtin_model()), aliases, parser)
    path = check_model_file(Path(spec).expanduser())
    return ServedModel(path.stem, path, aliases)


@contextlib.asynccontextmanager
async def serving(
    listener: socket.socket,
    settings: Settings,
    model: ServedModel,
    prefix_folder: Path | None = None,
    *,
    is_private: bool = False,
) -> AsyncIterator[RunningServer]:
    """Serve `model` on `listener` while the block runs. The model may still be loading inside.

    Args:
        prefix_folder: where computed prefixes are kept over restarts; None = nowhere.
        is_private: for one client, who asks for this model only.

    Raises:
        ModelFileError: the file of the draft model or of another one is absent or no GGUF.
        ModelNotFound: a model to preload is not there.
    """
    meter = device_meter(settings.memory_limit, Host())
    stored = StoredModels(store_of(settings), user_catalog()) if not is_private else None
    models = local_models(settings, model, stored, meter)
    if settings.force:
        meter = _forced(meter, models.resolve(model.id))
    router = Router(
        models,
        str(prefix_folder or ""),
        policy=Policy(keep_alive_seconds=parse_duration(settings.keep_alive)),
        meter=meter,
    )
    await router.start(settings.preload)
    upgrade = None
    if stored is not None and not settings.model:
        upgrade = _Background(settings, stored, models, router)
    try:
        jobs = quant_jobs() if not is_private else None
        http = _http_server(router, settings, upgrade, jobs)
        task = asyncio.create_task(http.serve(sockets=[listener]))
        server = RunningServer(address_of(listener), router, http, task)
        picking_up = asyncio.create_task(_pick_up(router, jobs))
        try:
            yield server
        finally:
            picking_up.cancel()
            await asyncio.wait({picking_up})
            if upgrade is not None:
                await upgrade.aclose()
            await server.aclose()
    finally:
        await router.aclose()
        models.close()


class _Background:
    """The task that looks for a better model than the built-in one, once that one is ready."""

    def __init__(
        self, settings: Settings, stored: StoredModels, models: LocalModels, router: Router
    ) -> None:
        self._settings = settings
        self._stored = stored
        self._models = models
        self._router = router
        self._upgrade: Upgrade | None = None
        self._task = asyncio.create_task(self._run())

    @property
    def status(self) -> UpgradeStatus | None:
        """None before it has begun."""
        return self._upgrade.status if self._upgrade is not None else None

    async def aclose(self) -> None:
        """End it; a download goes on at the next start."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        await quiet(self._router)
        # Not before the first answer can be given: they take a while to import.
        from edgellm.cli.upgrade import Upgrading, terminal_question
        from edgellm.serving.upgrade import Upgrade

        steps = Upgrading(
            self._settings,
            self._stored,
            self._models,
            self._router,
            ask=terminal_question(sys.stdin),
        ).steps
        self._upgrade = Upgrade(steps)
        try:
            await self._upgrade.run()
        except Exception:  # the server goes on without it
            logger.exception("the search for a better model ended")


async def quiet(router: Router) -> None:
    """Wait until the default model is loaded and nobody is answered: planning takes all cores."""
    with contextlib.suppress(EdgellmError):  # whoever started the server tells of it
        await router.ready()
    await asyncio.sleep(QUIET_SECONDS)
    while any(status.num_requests for status in router.statuses()):  # noqa: ASYNC110 - a look now and then is enough
        await asyncio.sleep(QUIET_SECONDS)


def local_models(
    settings: Settings, model: ServedModel, stored: StoredModels | None, meter: Meter
) -> LocalModels:
    """All that the settings name, `model` first; each with its own options for the engine.

    Raises:
        ModelFileError: a file is absent or no GGUF.
        ConfigError: the folder is no folder.
    """
    draft_path = _draft_path(settings.draft_model)
    has_more = settings.models or (stored is not None and stored.models())
    if has_more and not settings.cache_ram:
        settings = msgspec.structs.replace(settings, cache_ram=_shared_cache_mib(meter))

    def options_of(asked: ServedModel, plan: Plan | None) -> EngineOptions:
        draft = draft_path if asked.path == model.path else ""
        own = engine_options(with_tuning(settings, asked.path), draft)
        return with_plan(own, planned_options(plan) if plan is not None else asked.options)

    more = tuple(served_model(spec) for spec in settings.models)
    return LocalModels((model, *more, *_builtin()), stored, options_of)


def _forced(meter: Meter, model: ServedModel) -> Meter:
    """With room for this model, whatever the device has."""
    needed = meter.estimate(model, model.options) or 0

    def budget(held_bytes: int) -> int | None:
        usual = meter.budget(held_bytes)
        return None if usual is None else max(usual, needed)

    return msgspec.structs.replace(meter, budget=budget)


def _builtin() -> tuple[ServedModel, ...]:
    """It is always there, unless the installation is broken; then others still work."""
    try:
        return (served_model(BUILTIN_ID),)
    except EdgellmError:
        return ()


def _shared_cache_mib(meter: Meter) -> int:
    """For the prompts of each of several models: together they must not take what the next model
    needs. 0 = what the device can spare, where it does not tell what it has."""
    budget = meter.budget(0)
    if budget is None:
        return 0
    return max(LEAST_CACHE_MIB, min(MOST_CACHE_MIB, budget // MIB // CACHE_SHARE))


def _draft_path(spec: str) -> str:
    """The draft model's file, absolute; empty for none."""
    return str(check_model_file(Path(spec).expanduser())) if spec else ""


@contextlib.asynccontextmanager
async def local_server(settings: Settings, model: ServedModel) -> AsyncIterator[RunningServer]:
    """A private server on a free loopback port, with the model loaded.

    Raises:
        EngineError: the model cannot be loaded.
    """
    settings = msgspec.structs.replace(settings, models=(), preload=(), keep_alive="forever")
    with contextlib.closing(bind("127.0.0.1", 0)) as listener:
        async with serving(listener, settings, model, is_private=True) as server:
            await server.router.ready()
            yield server


def quant_jobs() -> QuantJobs:
    """Those of this user."""
    return QuantJobs(JobStore(user_paths().data / "quant" / "jobs"))


async def _pick_up(router: Router, jobs: QuantJobs | None) -> None:
    """Have quantisation jobs go on that were interrupted, once the first answer can be given."""
    if jobs is None:
        return
    await quiet(router)
    try:
        for job_id in await jobs.pick_up():
            logger.info("the quantisation job %s goes on", job_id)
    except Exception:  # the server goes on without it
        logger.exception("quantisation jobs cannot be picked up")


def _http_server(
    router: Router, settings: Settings, upgrade: _Background | None, jobs: QuantJobs | None
) -> uvicorn.Server:
    """uvicorn without its own signal handling: the commands decide what Ctrl-C means.

    That also keeps sse-starlette, which hooks uvicorn's handler, from cutting streams at once.
    """
    import uvicorn

    from edgellm.api.app import create_app

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    config = uvicorn.Config(
        create_app(
            router,
            cors_origins=settings.cors_origins,
            is_admin_open=settings.admin_from == "anywhere",
            upgrade=lambda: upgrade.status if upgrade is not None else None,
            quant=jobs,
        ),
        log_config=None,
        access_log=settings.log_level == "debug",
        lifespan="off",
        ws="none",
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=int(STREAMS_GRACE_SECONDS + _LAST_GRACE_SECONDS),
    )
    return Server(config)
