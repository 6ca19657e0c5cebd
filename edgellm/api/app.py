"""The HTTP application: dialects, health and error handling around one router.

It neither starts nor closes the router: whoever made it does (`cli/serve.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from edgellm import __version__
from edgellm.api.admin import admin_routes
from edgellm.api.anthropic.errors import to_error
from edgellm.api.anthropic.routes import anthropic_model_routes, anthropic_routes
from edgellm.api.anthropic.schema import CountTokensBody, MessagesBody
from edgellm.api.auth import check_admin
from edgellm.api.certificate import certificate_routes
from edgellm.api.documented import body_schemas, document_errors
from edgellm.api.embeddings import EmbeddingBody, LlamaEmbeddingBody, embedding_routes
from edgellm.api.errors import install_error_handlers
from edgellm.api.guard import Access, Guard
from edgellm.api.health import health_routes
from edgellm.api.metrics import metrics_routes
from edgellm.api.ollama import schema as ollama
from edgellm.api.ollama.output import error_body
from edgellm.api.ollama.routes import ollama_routes
from edgellm.api.openai.routes import openai_routes
from edgellm.api.openai.schema import ChatCompletionBody, CompletionBody
from edgellm.api.quant import quant_routes
from edgellm.api.request_id import HEADER as REQUEST_ID_HEADER
from edgellm.api.request_id import RequestIds
from edgellm.api.requests_seen import count_requests
from edgellm.api.rerank import RerankBody, rerank_routes
from edgellm.api.responses.routes import responses_routes
from edgellm.api.responses.schema import CreateResponseBody
from edgellm.api.stats import stats_routes
from edgellm.api.tidy import TidyRequests
from edgellm.api.tokens import DetokenizeBody, TokenizeBody, token_routes
from edgellm.serving.admission import QUEUE_LIMIT
from edgellm.serving.desk import Desk
from edgellm.serving.library import Library, NoLibrary
from edgellm.serving.quant_jobs import QuantJobs
from edgellm.serving.router import Router
from edgellm.types import DeviceStatus, UpgradeStatus

MAX_BODY_BYTES = 32 * 2**20
# Bodies that our dialects validate by themselves.
BODIES = (
    ChatCompletionBody,
    CompletionBody,
    CreateResponseBody,
    CountTokensBody,
    MessagesBody,
    EmbeddingBody,
    LlamaEmbeddingBody,
    RerankBody,
    TokenizeBody,
    DetokenizeBody,
    *ollama.BODIES,
)
# Errors that do not look like OpenAI's, by the beginning of the path.
SHAPES = {"/v1/messages": to_error, "/api/": error_body}


class EdgellmAPI(FastAPI):
    """FastAPI, with the bodies of our dialects in its documentation."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            schema = super().openapi()
            components = schema.setdefault("components", {}).setdefault("schemas", {})
            components.update(body_schemas(BODIES))
            document_errors(schema)
            self.openapi_schema = schema
        return self.openapi_schema


def create_app(
    router: Router,
    *,
    cors_origins: tuple[str, ...] = (),
    access: Access | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
    is_admin_open: bool = False,
    ca_certificate: bytes | None = None,
    upgrade: Callable[[], UpgradeStatus | None] = lambda: None,
    library: Library = NoLibrary(),  # noqa: B008  (it has no state)
    queue_limit: int = QUEUE_LIMIT,
    device: Callable[[], DeviceStatus] = DeviceStatus,
    quant: QuantJobs | None = None,
) -> FastAPI:
    """An ASGI application that answers from `router`.

    Args:
        cors_origins: web origins whose pages may call the API; "*" for any. None by default.
        access: keys, and names of the server; by default nobody needs a key.
        max_body_bytes: a larger request body is a 413.
        is_admin_open: whether clients on other devices may load and unload models without a key.
        ca_certificate: that clients must trust to trust this server; None = no local one.
        upgrade: how far the search for a better model than the built-in one is; None = none.
        library: where models are pulled to and deleted from.
        queue_limit: answers that may wait for each model; more are a 429.
        device: what the device is like now; called in a thread.
        quant: quantisation jobs; None = there are no routes for them.
    """
    # No /docs: its page loads scripts from a CDN, and these devices are offline.
    app = EdgellmAPI(title="edgellm", version=__version__, docs_url=None, redoc_url=None)
    app.state.router = router
    install_error_handlers(app, SHAPES)
    desk = app.state.desk = Desk(router, queue_limit)
    app.add_middleware(Guard, access=access or Access(), cors_origins=cors_origins)
    if cors_origins:  # outside of the guard, so that a page can read why it was refused
        app.add_middleware(
            CORSMiddleware,
            allow_origins=cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["Retry-After", REQUEST_ID_HEADER],
        )
    app.add_middleware(RequestIds)
    seen = count_requests(app)  # outside of all that may answer
    app.add_middleware(TidyRequests)  # outermost: all others see what it makes of a request
    app.include_router(health_routes(router, upgrade))
    app.include_router(certificate_routes(ca_certificate))
    app.include_router(anthropic_model_routes(router))  # before OpenAI's, which has these paths too
    app.include_router(anthropic_routes(router, max_body_bytes))
    app.include_router(openai_routes(router, max_body_bytes))
    app.include_router(responses_routes(router, max_body_bytes))
    app.include_router(ollama_routes(router, library, max_body_bytes, is_admin_open=is_admin_open))
    app.include_router(metrics_routes(desk, seen, device))
    app.include_router(stats_routes(desk, device))
    app.include_router(openai_routes(router, max_body_bytes, prefix=""))  # as llama-server's
    app.include_router(embedding_routes(router, max_body_bytes))
    app.include_router(rerank_routes(router, max_body_bytes))
    app.include_router(token_routes(router, max_body_bytes))
    app.include_router(admin_routes(router, is_open=is_admin_open))
    if quant is not None:
        app.include_router(quant_routes(quant, partial(check_admin, is_open=is_admin_open)))
    return app
