"""/internal/downloads: model files fetched because the user asked for them, how far they are, and stopping one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, Field

from modules.rest_api.routes import Access, Routes
from modules.schema.errors import UnknownName


class DownloadRequest(BaseModel):
    """source: an address, or OWNER/NAME/FILE on the hub. kind: which folder it goes to; "published" for what ``/internal/downloads/published`` lists. name, sha256: "" for what the source says."""

    source: str = Field(max_length=4000)
    kind: str = Field(default="checkpoint", max_length=40)
    name: str = Field(default="", max_length=400)
    sha256: str = Field(default="", max_length=64)


def add_download_routes(routes: Routes) -> None:
    """They belong to the page and ask for its password."""
    downloads = routes.app.downloads

    def start(request: DownloadRequest) -> dict[str, Any]:
        """Put a download in line."""
        return asdict(downloads.start(request.source, request.kind, name=request.name, sha256=request.sha256))

    def listed() -> dict[str, Any]:
        """All of this start of the server, the latest first, and the kinds with their folders."""
        return {"downloads": [asdict(each) for each in downloads.listed()], "folders": {kind: str(folder) for kind, folder in downloads.folders.items()}}

    def published() -> dict[str, str]:
        """What messages tell of when it is missing: address -> the file's name."""
        return {address: final.name for address, final in downloads.published_files().items()}

    def stop(download_id: int) -> dict[str, bool]:
        """Stop one; what came so far stays for the next time."""
        if not downloads.stop(download_id):
            raise UnknownName("running download", str(download_id))
        return {"stopping": True}

    routes.add_route("/internal/downloads", listed, access=Access.PAGE)
    routes.add_route("/internal/downloads", start, methods=("POST",), access=Access.PAGE)
    routes.add_route("/internal/downloads/published", published, access=Access.PAGE)
    routes.add_route("/internal/downloads/{download_id}", stop, methods=("DELETE",), access=Access.PAGE)
