"""What A1111's API calls its operations: programs that make their methods from a running server's /openapi.json have them by these names."""
from __future__ import annotations

import re

_AS_A1111_CALLS_THEM = {
    "GET /user": "get_current_user",
    "GET /internal/pending-tasks": "get_pending_tasks", "POST /internal/progress": "progressapi", "GET /internal/quicksettings-hint": "quicksettings_hint",
    "GET /internal/sysinfo": "download_sysinfo",
    "POST /sdapi/v1/txt2img": "text2imgapi", "POST /sdapi/v1/img2img": "img2imgapi", "POST /sdapi/v1/interrogate": "interrogateapi",
    "POST /sdapi/v1/extra-single-image": "extras_single_image_api", "POST /sdapi/v1/extra-batch-images": "extras_batch_images_api",
    "POST /sdapi/v1/png-info": "pnginfoapi", "GET /sdapi/v1/progress": "progressapi", "POST /sdapi/v1/interrupt": "interruptapi",
    "GET /sdapi/v1/options": "get_config", "POST /sdapi/v1/options": "set_config",
    "GET /sdapi/v1/sd-vae": "get_sd_vaes", "GET /sdapi/v1/scripts": "get_scripts_list", "GET /sdapi/v1/extensions": "get_extensions_list",
    "POST /sdapi/v1/unload-checkpoint": "unloadapi", "POST /sdapi/v1/reload-checkpoint": "reloadapi",
    "POST /sdapi/v1/server-kill": "kill_webui", "POST /sdapi/v1/server-restart": "restart_webui", "POST /sdapi/v1/server-stop": "stop_webui",
    "GET /sd_extra_networks/thumb": "fetch_file", "GET /sd_extra_networks/cover-images": "fetch_cover_images",
    "GET /sd_extra_networks/metadata": "get_metadata", "GET /sd_extra_networks/get-single-card": "get_single_card",
}  # fmt: skip


def operation_name(method: str, path: str) -> str:
    """The name of ``GET /sdapi/v1/sd-models`` is get_sd_models; the document adds path and method to it."""
    known = _AS_A1111_CALLS_THEM.get(f"{method} {path}")
    if known:
        return known
    if path.startswith("/sdapi/v1/"):
        words = re.sub(r"\W+", "_", path.removeprefix("/sdapi/v1/")).strip("_")
        return f"get_{words}" if method == "GET" else words
    return path.strip("/").replace("/", "-") or "root"
