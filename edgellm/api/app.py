"""The HTTP application: dialects, health and error handling around one router.

It neither starts nor closes the router: whoever made it does (`cli/serve.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from edgellm import __version__
from edgellm.api.admin import admin_routes
from edgellm.api.documented import body_schemas
from edgellm.api.errors import install_error_handlers
from edgellm.api.health import health_routes
from edgellm.api.openai.routes import openai_routes
from edgellm.api.openai.schema import ChatCompletionBody, CompletionBody
from edgellm.api.quant import admin_check, quant_routes
from edgellm.serving.quant_jobs import QuantJobs
from edgellm.serving.router import Router
from edgellm.types import UpgradeStatus

MAX_BODY_BYTES = 32 * 2**20
BODIES = (ChatCompletionBody, CompletionBody)  # that our dialects validate by themselves


class EdgellmAPI(FastAPI):
    """FastAPI, with the bodies of our dialects in its documentation."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            schema = super().openapi()
            components = schema.setdefault("components", {}).setdefault("schemas", {})
            components.update(body_schemas(BODIES))
            self.openapi_schema = schema
        return self.openapi_schema


def create_app(
    router: Router,
    *,
    cors_origins: tuple[str, ...] = (),
    max_body_bytes: int = MAX_BODY_BYTES,
    is_admin_open: bool = False,
    upgrade: Callable[[], UpgradeStatus | None] = lambda: None,
    quant: QuantJobs | None = None,
) -> FastAPI:
    """An ASGI application that answers from `router`.

    Args:
        cors_origins: web origins whose pages may call the API; "*" for any. None by default.
        max_body_bytes: a larger request body is a 413.
        is_admin_open: whether clients on other devices may load and unload models.
        upgrade: how far the search for a better model than the built-in one is; None = none.
        quant: quantisation jobs; None = there are no routes for them.
    """
    # No /docs: its page loads scripts from a CDN, and these devices are offline.
    app = EdgellmAPI(title="edgellm", version=__version__, docs_url=None, redoc_url=None)
    app.state.router = router
    install_error_handlers(app)
    if cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=cors_origins, allow_methods=["*"], allow_headers=["*"]
        )
    app.include_router(health_routes(router, upgrade))
    app.include_router(openai_routes(router, max_body_bytes))
    app.include_router(admin_routes(router, is_open=is_admin_open))
    if quant is not None:
        app.include_router(quant_routes(quant, admin_check(is_open=is_admin_open)))
    return app
