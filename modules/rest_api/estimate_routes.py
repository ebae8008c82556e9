"""What the page shows beside Generate: the time and memory that the fields as they are now will take."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from modules.application.amount import estimate_of
from modules.application.engine_inputs import resolve
from modules.application.generation import CHECKPOINT_KEY, chosen_checkpoint
from modules.application.settings_store import OverlaidSettings
from modules.rest_api.routes import Access, Routes
from modules.schema.errors import WebuiError
from modules.schema.request import Txt2ImgRequest

_FIELDS = ("width", "height", "steps", "cfg_scale", "sampler_name", "scheduler", "batch_size", "n_iter", "denoising_strength")
_HIRES = ("enable_hr", "hr_scale", "hr_resize_x", "hr_resize_y", "hr_second_pass_steps", "hr_sampler_name")


class EstimateRequest(BaseModel):
    """tab: "txt2img" or "img2img". values: fields by their names in the API; what is left out has its default."""

    tab: str = Field(max_length=20)
    values: dict[str, float | int | str | bool | None] = Field(max_length=40)


def add_estimate_routes(routes: Routes) -> None:
    """They belong to the page and ask for its password."""
    app = routes.app

    def estimate(body: EstimateRequest) -> dict[str, Any]:
        """Seconds and bytes of a job with these values; both null before the first job of its kind, or where the values make none."""
        from_picture = body.tab == "img2img"
        names = _FIELDS if from_picture else (*_FIELDS, *_HIRES)
        settings = OverlaidSettings(app.settings.table, app.settings.changed(), {})
        nothing = {"seconds": None, "bytes": None, "total": app.hardware.memory_bytes}
        try:
            request = Txt2ImgRequest.from_flat({name: body.values[name] for name in names if body.values.get(name) is not None})
            model = chosen_checkpoint(app, settings.get(CHECKPOINT_KEY))
            found = estimate_of(app, resolve(request, settings, app.upscalers.known()), model, settings, from_picture=from_picture)
        except WebuiError:                          # a field is being typed; Generate says what is wrong with it
            return nothing
        return nothing if found is None else nothing | {"seconds": found.seconds, "bytes": found.bytes or None}

    routes.add_route("/internal/estimate", estimate, methods=("POST",), access=Access.PAGE)
