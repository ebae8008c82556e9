"""An upload that does not come to its end (full disk, closed tab) leaves nothing of it on the disk. Gradio itself keeps such halves for ever."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from gradio import route_utils, routes
from gradio.route_utils import GradioMultiPartParser
from starlette.datastructures import FormData


class WholeUploads(GradioMultiPartParser):
    """Gradio's reader of uploads. Its files are those of one request."""

    async def parse(self) -> FormData:
        try:
            return await super().parse()
        except BaseException:           # CancelledError too: the server ends
            for file in self._files_to_close_on_error:
                with suppress(OSError):         # closing writes what is left, and fails again where the disk is full
                    file.close()
                with suppress(OSError):
                    Path(file.name).unlink(missing_ok=True)
            raise


def keep_whole_uploads_only() -> None:
    """Gradio's routes read uploads so from now on."""
    for module in (route_utils, routes):        # which of them reads uploads differs between Gradio's versions
        module.GradioMultiPartParser = WholeUploads  # type: ignore[attr-defined]
