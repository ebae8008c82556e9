"""POST /login and /logout, where A1111's page has them: a password that is said once, kept as a cookie from then on."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from fastapi import Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from modules.rest_api.answers import error_body
from modules.rest_api.credentials import Credentials, Throttle
from modules.rest_api.sessions import COOKIE

MOST_FORM = 64 * 1024  # bytes of a form with a name and a password: anybody may send one


class Login:
    """An ASGI application behind the gate's questions about host and origin, before the one about the password."""

    def __init__(self, credentials: Credentials, throttle: Throttle) -> None:
        self._credentials = credentials
        self._throttle = throttle

    def answers(self, method: str, path: str) -> bool:
        """Whether a request is for this place; else it is for the page or the API."""
        return self.opens(method, path) or self.closes(method, path)

    def opens(self, method: str, path: str) -> bool:
        """Whether this is where a stranger says the page's password."""
        return bool(self._credentials.page) and method == "POST" and _place(path) == "/login"

    def closes(self, method: str, path: str) -> bool:
        """Whether this ends a session."""
        return bool(self._credentials.page) and method in ("GET", "POST") and _place(path) == "/logout"

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        place = {"path": scope.get("root_path") or "/", "secure": scope.get("scheme") == "https", "httponly": True, "samesite": "lax"}
        if _place(request.url.path).endswith("/logout"):
            self._credentials.sessions.end(request.headers.get("cookie"))
            answer: Response = JSONResponse({"success": True})
            answer.delete_cookie(COOKIE, **place)
        else:
            answer = await self._logged_in(request, place)
        answer.headers["cache-control"] = "no-store"
        await answer(scope, receive, send)

    async def _logged_in(self, request: Request, place: dict[str, Any]) -> Response:
        client = request.client.host if request.client else "unknown"
        if self._throttle.is_blocked(client):
            return _refused(429, "Too many wrong passwords.")
        try:
            form = await request.form(max_files=0, max_fields=20)
        except ClientDisconnect:  # so the gate ends a body that is longer than a form may be
            return _refused(413, "The form is too long, or it ended halfway.")
        except HTTPException as error:
            return _refused(400, f"The form cannot be read: {error.detail}")
        name, password = form.get("username"), form.get("password")
        if not isinstance(name, str) or not isinstance(password, str):
            return _refused(422, "Send a form with the fields username and password.")
        user = self._credentials.user_named(name, password, is_api=False)
        if user is None:
            self._throttle.wrong(client)
            return _refused(400, "Incorrect username or password")
        answer = JSONResponse({"success": True})
        answer.set_cookie(COOKIE, self._credentials.sessions.begin(user), **place)
        return answer


def _place(path: str) -> str:
    return path.rstrip("/")


def _refused(status: int, sentence: str) -> Response:
    return JSONResponse(error_body("HTTPException", sentence), status_code=status, headers={"retry-after": "1"} if status == 429 else None)
