"""A session: the token once, then a cookie that is good for reading."""

from __future__ import annotations

from fastapi import Request, Response

from zehn.serve import guards, schemas
from zehn.serve.problems import Problem
from zehn.serve.routes._addresses import new_router
from zehn.serve.service import service_of

router = new_router("session")


@router.post("/session", status_code=204, summary="Begin to read")
async def begin_session(request: Request, asked: schemas.Token) -> Response:
    """Set a cookie with which a browser may read where that needs the token; writing needs the token itself."""
    token = service_of(request).settings.token
    if not token:
        raise Problem(403, "this service has no token, and reading needs none")
    if not guards.is_same(asked.token, token):
        raise guards.unauthorized("expected the service's token, came another one")
    answer = Response(status_code=204)
    answer.set_cookie(
        guards.COOKIE,
        guards.session_of(token),
        path="/",
        httponly=True,
        samesite="strict",
        # there is no TLS in Zehn; a proxy that has it may say so, and who lies about it only harms himself
        secure=request.headers.get("x-forwarded-proto") == "https",
    )
    return answer
