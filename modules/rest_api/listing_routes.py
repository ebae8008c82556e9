"""What there is to choose from, and reading the folders anew."""
from __future__ import annotations

import asyncio
from typing import Any

from modules.application import listing
from modules.application.generation import load_checkpoint_now
from modules.rest_api import models
from modules.rest_api.routes import Routes
from modules.rest_api.script_listing import script_infos, script_names


def add_listing_routes(routes: Routes) -> None:
    """GET lists, POST refresh-*, unload and reload."""
    app = routes.app

    def refresh() -> None:
        """Look through the model folders again."""
        app.catalogue.refresh()

    async def unload() -> dict[str, Any]:
        """Free the memory of the loaded checkpoint; the next job loads it again."""
        await asyncio.wrap_future(app.jobs.call_soon(app.checkpoints.unload))
        return {}

    async def reload() -> dict[str, Any]:
        """Load the chosen checkpoint now."""
        await asyncio.wrap_future(app.jobs.call_soon(lambda: load_checkpoint_now(app)))
        return {}

    lists: tuple[tuple[str, Any, Any, str], ...] = (
        ("samplers", listing.samplers, list[models.SamplerItem], "Every sampler."),
        ("schedulers", listing.schedulers, list[models.SchedulerItem], "Every schedule of noise levels."),
        ("upscalers", lambda: listing.upscalers(app), list[models.UpscalerItem], "Every upscaler."),
        ("latent-upscale-modes", listing.latent_upscale_modes, list[models.LatentUpscalerModeItem], "Ways to enlarge a latent."),
        ("sd-models", lambda: listing.sd_models(app), list[models.SDModelItem], "Every checkpoint."),
        ("sd-vae", lambda: listing.sd_vaes(app), list[models.SDVaeItem], "Every VAE file."),
        ("prompt-styles", lambda: listing.prompt_styles(app), list[models.PromptStyleItem], "Every style."),
        ("embeddings", lambda: listing.embeddings(app), models.EmbeddingsResponse, "Textual inversion embeddings."),
        ("loras", lambda: listing.loras(app), None, "LoRAs."),
        ("hypernetworks", lambda: listing.hypernetworks(app), list[models.HypernetworkItem], "Hypernetworks."),
        ("face-restorers", lambda: listing.face_restorers(app), list[models.FaceRestorerItem], "Face restorers; their weights need not be here."),
        ("realesrgan-models", lambda: listing.realesrgan_models(app), list[models.RealesrganItem], "Real-ESRGAN models: where they are, or may be had."),
        ("scripts", lambda: script_names(app), models.ScriptsList, "Names of scripts."),
        ("script-info", lambda: script_infos(app), list[models.ScriptInfo], "Scripts and their arguments."),
        ("extensions", lambda: listing.extensions(app), list[models.ExtensionItem], "Installed extensions."),
    )
    for name, handler, model, summary in lists:
        routes.add_route(f"/sdapi/v1/{name}", handler, model=model, summary=summary)
    for name in ("refresh-checkpoints", "refresh-vae", "refresh-embeddings", "refresh-loras"):
        routes.add_route(f"/sdapi/v1/{name}", refresh, methods=("POST",))
    routes.add_route("/sdapi/v1/unload-checkpoint", unload, methods=("POST",))
    routes.add_route("/sdapi/v1/reload-checkpoint", reload, methods=("POST",))
