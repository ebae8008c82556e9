"""An App with its extensions in it, as ``webui.py`` starts it without a page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modules.application.app import App


@contextmanager
def extended_app(*flags: str) -> Iterator[App]:
    """flags: of the command line. It speaks for A1111's names meanwhile, and is closed afterwards."""
    import torch

    import webui
    from modules.a1111.app_slot import occupied
    from modules.a1111.script_host import install_scripts
    from modules.application.build import build_app

    torch.set_num_threads(1)                        # so small networks lose more than they gain by sharing out their work
    parsed, extensions = webui.read_command_line([*flags, "--nowebui"])
    app = build_app(parsed.flags, extensions)
    with occupied(app):
        scripts = install_scripts(app, webui.blank_page)
        webui.start_extensions(app, scripts)
        try:
            yield app
        finally:
            app.close()
