"""Whether the one who clicked may install extensions, or start the program anew."""

from __future__ import annotations

from dataclasses import replace

from gradio.context import LocalContext

from modules.extension_host.install import refusal, way_from_elsewhere
from modules.schema.flags import Flags


def install_refused(flags: Flags) -> str:
    """Why not, in words; "" when they may. To be asked inside an event, for the request tells whether it came by way of another machine."""
    request = LocalContext.request.get(None)
    through = way_from_elsewhere(dict(request.headers)) if request is not None else ""
    return refusal(flags, has_password=bool(flags.gradio_auth or flags.gradio_auth_path), through=through)


def restart_refused(flags: Flags) -> str:
    """The same for a start anew, which is allowed where extensions are switched off on the command line."""
    return install_refused(replace(flags, disable_extra_extensions=False, disable_all_extensions=False))
