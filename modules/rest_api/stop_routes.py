"""--api-server-stop: ending the server, or asking its launcher to start it again, over the API."""
from __future__ import annotations

import os
import signal
import threading

from starlette.responses import PlainTextResponse

from modules.launching.restart import ask_for_restart, can_restart
from modules.rest_api.routes import Routes
from modules.schema.errors import WebuiError

_ANSWER_FIRST = 0.2                     # seconds until the server is told, so that the caller gets an answer


class CannotRestart(WebuiError):
    """Nobody would start the server again."""

    status = 404                        # not 501: what watches over servers takes any 5xx for a fault


def add_stop_routes(routes: Routes) -> None:
    """server-stop, server-kill, server-restart; only with --api-server-stop."""
    if not routes.app.flags.api_server_stop:
        return

    def stop() -> PlainTextResponse:
        """End the server: the running job ends at its next step, waiting ones are kept for the next start."""
        _soon(lambda: signal.raise_signal(signal.SIGINT))
        return PlainTextResponse("Stopping.")

    def kill() -> PlainTextResponse:
        """End the server at once, in the middle of a step; the queue survives."""
        _soon(lambda: os._exit(0))
        return PlainTextResponse("Killed.")

    def restart() -> PlainTextResponse:
        """End the server and let its launcher start it again."""
        if not can_restart(os.environ):
            raise CannotRestart("The server cannot start itself again: it was not started by a launcher that waits for that.",
                           "Stop it with server-stop and start it where it was started.")
        ask_for_restart(os.environ)
        return PlainTextResponse("Restarting.")

    for name, handler in (("stop", stop), ("kill", kill), ("restart", restart)):
        routes.add_route(f"/sdapi/v1/server-{name}", handler, methods=("POST",))


def _soon(act: object) -> None:
    timer = threading.Timer(_ANSWER_FIRST, act)     # type: ignore[arg-type]
    timer.daemon = True
    timer.start()
