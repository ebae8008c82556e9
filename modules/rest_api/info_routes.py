"""What is in a picture, and what is in memory."""
from __future__ import annotations

import os
from typing import Any

from modules.a1111 import callbacks
from modules.a1111.app_slot import is_occupied
from modules.a1111.picture_files import texts_of
from modules.application.infotext_styles import pasted_values
from modules.application.picture_urls import fetched_picture
from modules.compute.hardware import machine_memory
from modules.imaging.base64_codec import decode_bytes, encode_image, open_image
from modules.rest_api.models import MemoryResponse, PNGInfoRequest, PNGInfoResponse
from modules.rest_api.routes import Access, Routes
from modules.schema.infotext_read import answered_infotext


def add_info_routes(routes: Routes) -> None:
    """/sdapi/v1/png-info and memory."""

    def png_info(body: PNGInfoRequest) -> dict[str, Any]:
        """The parameters text of a picture, and what it says."""
        data = decode_bytes(fetched_picture(body.image, routes.app.settings))
        open_image(data)                # refuses what is no picture, or too large
        infotext, items = texts_of(data)
        parameters = pasted_values(routes.app.settings, routes.app.paths, answered_infotext(infotext or "", old_behaviour=routes.app.settings.get("auto_backcompat")))
        if is_occupied():
            callbacks.infotext_pasted_callback(infotext or "", parameters)  # extensions may add what they read in it
        return {"info": infotext or "", "items": items, "parameters": parameters}

    def readable_picture(body: PNGInfoRequest) -> dict[str, Any]:
        """A picture that browsers do not show (TIFF, TGA, JPEG 2000) as a PNG, with what it says of its making."""
        data = decode_bytes(body.image, "This file")
        picture = open_image(data, "This file")
        return {"image": encode_image(picture, texts_of(data)[0] or "")}

    def memory() -> dict[str, Any]:
        """Memory of the machine and of the GPU, in bytes."""
        return {"ram": ram(), "cuda": cuda()}

    routes.add_route("/sdapi/v1/png-info", png_info, methods=("POST",), model=PNGInfoResponse)
    routes.add_route("/internal/readable-picture", readable_picture, methods=("POST",), access=Access.PAGE)
    routes.add_route("/sdapi/v1/memory", memory, model=MemoryResponse)


def ram() -> dict[str, Any]:
    """As A1111 reckons: used is what this process holds, free is the rest of the machine."""
    total, used = machine_memory(), process_memory()
    return {"free": max(0, total - used), "used": used, "total": total}


def process_memory() -> int:
    """Bytes that this process holds."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):      # Windows and macOS have no such file
        from psutil import Process

        return int(Process().memory_info().rss)


def cuda() -> dict[str, Any]:
    """The GPU's memory by torch, in A1111's groups."""
    import torch

    if not torch.cuda.is_available():
        return {"error": "unavailable"}
    free, total = torch.cuda.mem_get_info()
    stats = torch.cuda.memory_stats()

    def group(name: str) -> dict[str, int]:
        return {"current": stats.get(f"{name}.all.current", 0), "peak": stats.get(f"{name}.all.peak", 0)}

    return {
        "system": {"free": free, "used": total - free, "total": total},
        "active": group("active_bytes"),
        "allocated": group("allocated_bytes"),
        "reserved": group("reserved_bytes"),
        "inactive": group("inactive_split_bytes"),
        "events": {"retries": stats.get("num_alloc_retries", 0), "oom": stats.get("num_ooms", 0)},
    }
