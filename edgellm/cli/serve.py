"""`edgellm serve`: the OpenAI-compatible server, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgellm.cli.output import say

if TYPE_CHECKING:
    import socket

    from edgellm.cli.access import Door
    from edgellm.cli.serving import RunningServer
    from edgellm.config import Settings
    from edgellm.serving.resolver import ServedModel


def serve(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A GGUF file, or the name of a model: qwen3-4b, qwen3-4b:Q5_K_M, "
            "hf:OWNER/REPO[:QUANT], an https address. [default: the built-in model]",
        ),
    ] = None,
    models_folder: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Where models are kept. [default: the data folder]"),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port; 0 picks a free one. [default: 8000]")
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(help="Tokens of one sequence. [default: up to 8192, as much as fits]"),
    ] = None,
    parallel: Annotated[
        int | None, typer.Option(help="Answers computed at a time. [default: 4]")
    ] = None,
    kv_tokens: Annotated[
        int | None,
        typer.Option(
            help="Tokens of the whole KV cache. [default: up to context x parallel, as fits]"
        ),
    ] = None,
    kv_type: Annotated[
        str | None,
        typer.Option(help="Type of the KV cache: f16, q8_0, q4_0 and others. [default: f16]"),
    ] = None,
    flash_attention: Annotated[
        str | None, typer.Option(help="auto, on or off. [default: auto]")
    ] = None,
    cache_ram: Annotated[
        int | None,
        typer.Option(
            help="MiB of memory for computed prompts outside the KV cache."
            " [default: a quarter of what is free, up to four times the model or 1024]"
        ),
    ] = None,
    swa_cache: Annotated[
        str | None,
        typer.Option(
            help="What sliding-window layers keep: full, or window for less memory. [default: full]"
        ),
    ] = None,
    warm_boot: Annotated[
        bool | None,
        typer.Option(
            "--warm-boot/--no-warm-boot",
            help="Keep computed prefixes on disk over restarts. [default: yes]",
        ),
    ] = None,
    speculate: Annotated[
        bool | None,
        typer.Option(
            "--speculate/--no-speculate",
            help="Guess repeated text and check it in one step, while that pays. [default: no]",
        ),
    ] = None,
    draft_model: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="A small GGUF model of the same vocabulary that guesses tokens, while that pays. "
            "[default: none]",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads. [default: as many as are usable]")
    ] = None,
    threads_batch: Annotated[
        int | None,
        typer.Option(help="CPU threads for prompts and joint steps. [default: as --threads]"),
    ] = None,
    batch_tokens: Annotated[
        int | None, typer.Option(help="Tokens computed in one step. [default: 512]")
    ] = None,
    repack: Annotated[
        bool | None,
        typer.Option(
            "--repack/--no-repack",
            help="Copy weights into the CPU's fastest order: more memory. [default: yes]",
        ),
    ] = None,
    alias: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="One more name of the model. Repeatable."),
    ] = None,
    more_models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="PATH",
            help="One more GGUF file, loaded when a request names it. Repeatable.",
        ),
    ] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Memory that all models together may take, e.g. 6GiB. "
            "[default: what is free at the start, less a reserve]",
        ),
    ] = None,
    keep_alive: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="How long an idle model stays in memory, e.g. 5m. "
            "[default: forever, unless another one needs the room]",
        ),
    ] = None,
    queue_limit: Annotated[
        int | None,
        typer.Option(
            help="Answers that may wait for each model; more are refused with 429. [default: 64]"
        ),
    ] = None,
    preload: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Load this model at the start, too. Repeatable."),
    ] = None,
    admin_from: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="Who may load and unload models without a key: loopback or anywhere. "
            "[default: loopback]",
        ),
    ] = None,
    require_key: Annotated[
        bool | None,
        typer.Option(
            "--require-key/--no-require-key",
            help="Ask for an API key even while there is none. [default: once there is one]",
        ),
    ] = None,
    insecure_no_key: Annotated[
        bool | None,
        typer.Option(
            "--insecure-no-key",
            help="Listen on the network although there is no API key.",
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name of this server that is neither local nor an address, such as a proxy's. "
            "Repeatable.",
        ),
    ] = None,
    tls: Annotated[
        str | None,
        typer.Option(
            metavar="HOW",
            help="auto: https, with a certificate of this device's own authority. [default: off]",
        ),
    ] = None,
    tls_cert: Annotated[
        str | None, typer.Option(metavar="FILE", help="https, with this certificate (PEM).")
    ] = None,
    tls_key: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Its private key. [default: in the same file]"),
    ] = None,
    yes: Annotated[
        bool | None,
        typer.Option(
            "--yes/--no-yes",
            help="Fetch without asking what was named, or what suits this device. [default: no]",
        ),
    ] = None,
    offline: Annotated[
        bool | None,
        typer.Option("--offline/--no-offline", help="Ask no network for models. [default: no]"),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Web origin that may call the API. Repeatable."),
    ] = None,
    force: Annotated[
        bool | None, typer.Option("--force", help="Take the model even if it does not fit.")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error. [default: info]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A settings file in TOML.")
    ] = None,
) -> None:
    """Serve a model behind an OpenAI-compatible API."""
    from edgellm.cli.settings import set_up_logging, user_settings

    started = time.monotonic()
    flags = {
        "model": model,
        "models_folder": models_folder,
        "host": host,
        "port": port,
        "context": context,
        "parallel": parallel,
        "kv_tokens": kv_tokens,
        "kv_type": kv_type,
        "flash_attention": flash_attention,
        "cache_ram": cache_ram,
        "swa_cache": swa_cache,
        "warm_boot": warm_boot,
        "speculate": speculate,
        "draft_model": draft_model,
        "threads": threads,
        "threads_batch": threads_batch,
        "batch_tokens": batch_tokens,
        "repack": repack,
        "alias": alias,
        "models": more_models,
        "memory_limit": memory_limit,
        "keep_alive": keep_alive,
        "queue_limit": queue_limit,
        "preload": preload,
        "admin_from": admin_from,
        "require_key": require_key,
        "insecure_no_key": insecure_no_key,
        "allowed_hosts": allowed_host,
        "tls": tls,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
        "yes": yes,
        "offline": offline,
        "force": force,
        "cors_origins": cors_origin,
        "log_level": log_level,
    }
    settings = user_settings(flags, config)
    set_up_logging(settings.log_level)
    _serve(settings, started)


def _serve(settings: Settings, started: float) -> None:
    """The door and the socket first, then the model: all fail before anything is loaded or
    fetched."""
    from edgellm.cli.access import open_door, say_who_may
    from edgellm.cli.fetch import model_to_serve
    from edgellm.cli.serving import bind

    door = open_door(settings)
    with bind(settings.host, settings.port) as listener:
        model = model_to_serve(settings)
        say_who_may(settings, door)
        asyncio.run(_serve_until_stopped(listener, settings, model, door, started))


async def _serve_until_stopped(
    listener: socket.socket, settings: Settings, model: ServedModel, door: Door, started: float
) -> None:
    """Returns after a signal; raises EngineError when the model cannot be loaded."""
    from edgellm import __version__
    from edgellm.cli.serving import address_of, serving
    from edgellm.cli.settings import user_paths

    url = address_of(listener, is_tls=door.tls is not None)
    say(f"edgellm {__version__} serving {model.id} on {url} (OpenAI base URL: {url}/v1)")
    say("loading…")
    prefixes = user_paths().cache / "prefixes" if settings.warm_boot else None
    async with serving(listener, settings, model, prefixes, door=door) as server:
        _stop_on_signals(server)
        loading = asyncio.create_task(server.router.ready())
        try:
            await asyncio.wait({loading, server.task}, return_when=asyncio.FIRST_COMPLETED)
            if not loading.done():  # stopped meanwhile
                return
            loading.result()
            _say_ready(server, model.id, time.monotonic() - started)
            await server.task
        finally:
            loading.cancel()


def _stop_on_signals(server: RunningServer) -> None:
    def stop() -> None:
        say("stopping… (once more to stop at once)")
        server.stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


def _say_ready(server: RunningServer, model: str, seconds: float) -> None:
    status = server.router.status(model)
    say(
        f"ready in {seconds:.1f} s: {model}, context {status.context}, {status.parallel} parallel"
        f' — try: edgellm run --server {server.url} "What can you do?"'
    )
