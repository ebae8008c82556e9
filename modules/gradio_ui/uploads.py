"""Files that the page sent: Gradio keeps them in a folder of its own, and a field holds their paths, which anybody may type in a request."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeGuard

from gradio.utils import get_upload_folder

from modules.files.resolver import allowed


def is_upload(path: Any) -> TypeGuard[str]:
    """Whether ``path`` is a file that came through the page, and none of the server's own."""
    return isinstance(path, str) and allowed(path, [Path(get_upload_folder())])
