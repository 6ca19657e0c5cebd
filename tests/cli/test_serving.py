"""The server inside a process: its socket, its model, and how it stops while answers run."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from edgellm.catalog.card import Catalog
from edgellm.cli import serving
from edgellm.cli.memory import device_meter
from edgellm.cli.serving import address_of, bind, local_models, local_server, served_model
from edgellm.cli.store import store_of
from edgellm.cli.stored import StoredModels
from edgellm.client import EdgellmClient
from edgellm.config import Settings
from edgellm.errors import (
    ConfigError,
    EngineBusy,
    EngineError,
    EngineLoadError,
    ModelFileError,
    PortInUse,
    ServerUnreachable,
)
from edgellm.hardware.host import Host
from edgellm.serving.resolver import Resolver, ServedModel
from edgellm.types import (
    EngineOptions,
    Event,
    Finished,
    GenerateRequest,
    Message,
    ModelStatus,
    Started,
    TextDelta,
    Usage,
)

MODEL = ServedModel("m", Path("/m.gguf"))


class ScriptedRouter:
    """A router without engines: "slow" goes on until the router is closed."""

    newest: ScriptedRouter
    load_error: EngineLoadError | None = None

    def __init__(self, resolver: Resolver, _folder: str, **_: object) -> None:
        self.resolver = resolver
        self.preloaded: tuple[str, ...] = ()
        self.closed = asyncio.Event()
        self.num_closes = 0
        ScriptedRouter.newest = self

    @property
    def options(self) -> EngineOptions:
        return self.resolver.resolve("").options

    async def start(self, preload: tuple[str, ...] = ()) -> None:
        self.preloaded = preload

    async def ready(self) -> None:
        if self.load_error is not None:
            raise self.load_error

    async def aclose(self) -> None:
        self.num_closes += 1
        self.closed.set()

    def statuses(self) -> tuple[ModelStatus, ...]:
        return tuple(ModelStatus(m.id, "ready", 0, m.aliases) for m in self.resolver.models())

    def status(self, name: str) -> ModelStatus:
        return self.statuses()[0]

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Event, None]:
        yield Started(1)
        yield TextDelta("a")
        if request.messages[-1].content == "slow":
            await self.closed.wait()
            raise EngineBusy("The server is shutting down.")
        yield Finished("stop", Usage(1, 1))


@pytest.fixture(autouse=True)
def router(monkeypatch: pytest.MonkeyPatch) -> type[ScriptedRouter]:
    monkeypatch.setattr(serving, "Router", ScriptedRouter)
    monkeypatch.setattr(serving, "STREAMS_GRACE_SECONDS", 0.1)
    monkeypatch.setattr(ScriptedRouter, "load_error", None)
    return ScriptedRouter


def test_port_0_is_a_free_port_and_a_taken_one_is_an_error() -> None:
    with closing(bind("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        assert address_of(first) == f"http://127.0.0.1:{port}"
        with pytest.raises(PortInUse, match=f"127.0.0.1:{port} is already in use"):
            bind("127.0.0.1", port)
    bind("127.0.0.1", port).close()


def test_localhost_and_the_wildcard_have_addresses_that_clients_can_use() -> None:
    for host in ("localhost", "0.0.0.0"):
        with closing(bind(host, 0)) as listener:
            assert address_of(listener).startswith("http://127.0.0.1:")


def test_an_ipv6_address_gets_brackets() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        listener = bind("::1", 0)
    except ConfigError:
        pytest.skip("no IPv6 loopback here")
    with closing(listener):
        assert address_of(listener).startswith("http://[::1]:")


def test_hosts_that_cannot_be_listened_on() -> None:
    with pytest.raises(ConfigError, match="not known"):
        bind("no.such.host.invalid", 0)
    with pytest.raises(ConfigError, match="not an address of this device"):
        bind("192.0.2.1", 0)


def test_the_draft_model_is_a_file_or_an_error(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "Router", ScriptedRouter)

    async def serve_with(draft_model: str) -> str:
        async with local_server(Settings(draft_model=draft_model), MODEL):
            return ScriptedRouter.newest.options.draft_path

    assert asyncio.run(serve_with("")) == ""
    assert asyncio.run(serve_with(str(tiny_model))) == str(tiny_model.resolve())
    with pytest.raises(ModelFileError, match="There is no file /no/such/draft"):
        asyncio.run(serve_with("/no/such/draft.gguf"))


def test_the_served_model_is_named_by_its_file(tiny_model: Path) -> None:
    model = served_model(str(tiny_model), ("x",))
    assert (model.id, model.path, model.aliases) == ("tiny", tiny_model.resolve(), ("x",))
    with pytest.raises(ModelFileError):
        served_model("/no/such/file.gguf")


def test_the_built_in_model_is_pocket(monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> None:
    monkeypatch.setattr(serving, "builtin_model", lambda: tiny_model)
    assert served_model("").id == served_model("pocket").id == "pocket"
    assert served_model("").path == tiny_model.resolve()


def stored(settings: Settings) -> StoredModels:
    return StoredModels(store_of(settings), Catalog(()))


def test_all_models_that_were_named_are_there(
    tiny_model: Path, tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGELLM_HOME", environment["EDGELLM_HOME"])
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "other.gguf").write_bytes(tiny_model.read_bytes())
    settings = Settings(models=(str(tiny_model),), models_folder=str(folder), memory_limit="1GiB")
    meter = device_meter("1GiB", Host())
    models = local_models(settings, MODEL, stored(settings), meter)
    assert [model.id for model in models.models()] == ["m", "tiny", "pocket", "other"]
    assert models.resolve("tiny").options.cache_ram == 64  # a sixteenth of the limit
    with pytest.raises(ModelFileError):
        local_models(Settings(models=("/no/such.gguf",)), MODEL, None, meter)
    with pytest.raises(ConfigError, match="not a folder"):
        stored(Settings(models_folder=str(tiny_model)))


def test_the_draft_model_is_the_default_model_s_only(tiny_model: Path) -> None:
    settings = Settings(draft_model=str(tiny_model), models=(str(tiny_model),))
    models = local_models(settings, MODEL, None, device_meter("", Host()))
    assert models.resolve("m").options.draft_path == str(tiny_model.resolve())
    assert models.resolve("tiny").options.draft_path == ""


def test_a_private_server_answers_and_is_gone_afterwards() -> None:
    async def main() -> None:
        settings = Settings(context=9, parallel=2, threads=1, port=1)
        async with local_server(settings, MODEL) as server, EdgellmClient(server.url) as client:
            assert (await client.health()).is_ready
            stream = client.stream_chat([Message("user", "hi")])
            assert "".join([delta.text async for delta in stream]) == "a"
        router = ScriptedRouter.newest
        assert router.options == EngineOptions(context=9, parallel=2, threads=1)
        assert router.num_closes
        async with EdgellmClient(server.url) as client:
            with pytest.raises(ServerUnreachable):
                await client.health()

    asyncio.run(main())


def test_a_private_server_whose_model_does_not_load(router: type[ScriptedRouter]) -> None:
    router.load_error = EngineLoadError("It is broken.", "Fetch it again.")

    async def main() -> None:
        async with local_server(Settings(), MODEL):
            raise AssertionError("the block must not run")

    with pytest.raises(EngineLoadError, match="It is broken"):
        asyncio.run(main())
    assert router.newest.num_closes


@pytest.mark.parametrize(("grace_seconds", "num_stops"), [(0.1, 1), (3600.0, 2)])
def test_running_streams_end_with_an_error_event_when_the_server_stops(
    monkeypatch: pytest.MonkeyPatch, grace_seconds: float, num_stops: int
) -> None:
    monkeypatch.setattr(serving, "STREAMS_GRACE_SECONDS", grace_seconds)

    async def main() -> None:
        async with local_server(Settings(), MODEL) as server, EdgellmClient(server.url) as client:
            async with aclosing(client.stream_chat([Message("user", "slow")])) as stream:
                while not (await anext(stream)).text:
                    pass
                for _ in range(num_stops):
                    server.stop()
                with pytest.raises(EngineError, match="shutting down"):
                    async for _ in stream:
                        pass
            await server.task

    asyncio.run(main())


def test_cors_origins_reach_the_app() -> None:
    import httpx

    async def main() -> None:
        settings = Settings(cors_origins=("http://page",))
        async with local_server(settings, MODEL) as server, httpx.AsyncClient() as http:
            answer = await http.get(server.url + "/health", headers={"Origin": "http://page"})
            assert answer.headers["access-control-allow-origin"] == "http://page"

    asyncio.run(main())
