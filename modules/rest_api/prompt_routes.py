"""Small things that the page asks for: the text of a dropped picture, recent prompts, the sound of a finished job."""
from __future__ import annotations

from typing import Any

from fastapi import HTTPException
from fastapi.responses import FileResponse

from modules.a1111.picture_files import texts_of
from modules.application.prompt_history import recent_prompts
from modules.imaging.base64_codec import decode_bytes
from modules.rest_api.models import PNGInfoRequest
from modules.rest_api.routes import Access, Routes


def add_prompt_routes(routes: Routes) -> None:
    """They ask for the page's password."""
    app = routes.app

    def infotext(body: PNGInfoRequest) -> dict[str, Any]:
        """The parameters text of a picture; "" when it carries none."""
        return {"infotext": texts_of(decode_bytes(body.image))[0] or ""}

    def prompts() -> dict[str, Any]:
        """What pictures were asked for lately, newest first, each once."""
        return {"prompts": recent_prompts(app)}

    def sound() -> FileResponse:
        """The user's notification.mp3."""
        path = app.paths.notification_sound
        if path is None:
            raise HTTPException(404, "There is no notification.mp3.")
        return FileResponse(path, media_type="audio/mpeg")

    routes.add_route("/internal/infotext", infotext, methods=("POST",), access=Access.PAGE)
    routes.add_route("/internal/prompts", prompts, access=Access.PAGE)
    routes.add_route("/internal/notification-sound", sound, access=Access.PAGE)
