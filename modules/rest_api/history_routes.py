"""/internal/history: the pictures that were made, for the page's History tab."""
from __future__ import annotations

from typing import Any

from fastapi import HTTPException, Response
from pydantic import BaseModel, Field

from modules.application.app import App
from modules.application.picture_index import IndexedPicture, Search
from modules.application.thumbnails import thumbnail
from modules.files.trash import move_to_trash
from modules.rest_api.routes import Access, Routes

_FOREVER = {"Cache-Control": "private, max-age=604800"}


class Chosen(BaseModel):
    """Pictures by id."""

    ids: list[int] = Field(max_length=1000)


def add_history_routes(routes: Routes) -> None:
    """They ask for the page's password."""
    app = routes.app

    def history(q: str = "", model: str = "", folder: str = "", since: float | None = None, until: float | None = None,
                offset: int = 0, count: int = 60) -> dict[str, Any]:
        """Pictures newest first. q: words that must all be in the picture's text. since, until: seconds since 1970."""
        scanning = app.pictures.refresh()
        asked = Search(words=q[:500], model=model, folder=folder, since=since, until=until)
        total, found = app.pictures.search(asked, offset=offset, count=count)
        return {"total": total, "scanning": scanning, "pictures": [_listed(each) for each in found],
                "models": app.pictures.values("model"), "folders": app.pictures.values("folder")}

    def picture(id: int) -> dict[str, Any]:
        """One picture with its whole text."""
        found = _found(app, id)
        url = f"internal/history/{id}/thumb" if found.path.suffix.lower() in (".tif", ".tiff") else f"file={found.path}"    # no browser but Safari shows a TIFF
        return {**_listed(found), "infotext": found.infotext, "url": url}

    def thumb(id: int) -> Response:
        """Its small version."""
        return Response(thumbnail(_found(app, id).path, app.paths.cache_dir / "thumbnails"), media_type="image/webp", headers=_FOREVER)

    def delete(body: Chosen) -> dict[str, Any]:
        """Move pictures and their text files into the folder "trash" of the data folder."""
        trash = app.paths.data_dir / "trash"
        for found in [_found(app, id) for id in dict.fromkeys(body.ids)]:
            if found.path.exists():
                move_to_trash(found.path, trash, beside=(".txt",))
            app.pictures.forget(found.id)
        return {"deleted": len(set(body.ids)), "trash": str(trash)}

    routes.add_route("/internal/history", history, access=Access.PAGE)
    routes.add_route("/internal/history/delete", delete, methods=("POST",), access=Access.PAGE)
    routes.add_route("/internal/history/{id}", picture, access=Access.PAGE)
    routes.add_route("/internal/history/{id}/thumb", thumb, access=Access.PAGE)


def _listed(each: IndexedPicture) -> dict[str, Any]:
    return {"id": each.id, "name": each.path.name, "folder": each.folder, "width": each.width, "height": each.height, "changed": each.changed,
            "prompt": each.prompt[:300], "model": each.model, "seed": each.seed}


def _found(app: App, id: int) -> IndexedPicture:
    found = app.pictures.find(id) if 0 <= id < 2**62 else None
    if found is None:
        raise HTTPException(404, "This picture is not in the history any more.")
    return found
