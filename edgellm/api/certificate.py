"""`GET /ca.crt`: the certificate that a phone must trust before it trusts this server.

It is no secret, so it needs no key. Who makes it: `security/local_ca.py`.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response


def certificate_routes(certificate: bytes | None) -> APIRouter:
    """The route.

    Args:
        certificate: of the local authority, as PEM; None where the server has none of its own.
    """
    routes = APIRouter(tags=["edgellm"])

    @routes.get("/ca.crt")
    async def ca_certificate() -> Response:
        """The local authority's certificate, for devices that are to trust this server."""
        if certificate is None:
            raise HTTPException(404)
        disposition = {"Content-Disposition": 'attachment; filename="edgellm-ca.crt"'}
        return Response(certificate, 200, disposition, "application/x-x509-ca-cert")

    return routes
