"""A1111's ``extras.run_modelmerger``, as extensions with mergers of their own call it: our merger, in line or inside the job at work."""
from __future__ import annotations

from typing import Any

from modules.a1111.app_slot import current
from modules.a1111.checkpoint_list import checkpoint_tiles
from modules.application import merging
from modules.application.merging import CONFIG_SOURCES, MergeRequest
from modules.schema.errors import WebuiError

_LISTS = 4          # of checkpoints on A1111's merger tab, which the answer renews


def run_modelmerger(
    id_task: str, primary_model_name: str, secondary_model_name: str | None, tertiary_model_name: str | None, interp_method: str, multiplier: float,
    save_as_half: bool, custom_name: str | None, checkpoint_format: str, config_source: int | str = 0, bake_in_vae: str | None = None, discard_weights: str | None = "",
    save_metadata: bool = True, add_merge_recipe: bool = True, copy_metadata_fields: bool = True, metadata_json: str | None = "{}",
) -> list[Any]:  # fmt: skip
    """Merge into a new file. Updates of four lists of checkpoints, and what came of it, or what hindered it, in words.

    config_source: as text, or its place among the choices. id_task means nothing here: the work around may bear it.
    """
    values = {
        "primary_model_name": primary_model_name, "secondary_model_name": secondary_model_name, "tertiary_model_name": tertiary_model_name,
        "interp_method": interp_method, "multiplier": multiplier, "save_as_half": save_as_half, "custom_name": custom_name, "checkpoint_format": checkpoint_format,
        "config_source": CONFIG_SOURCES[config_source] if isinstance(config_source, int) else config_source, "bake_in_vae": bake_in_vae,
        "discard_weights": discard_weights, "save_metadata": save_metadata, "add_merge_recipe": add_merge_recipe, "copy_metadata_fields": copy_metadata_fields,
        "metadata_json": metadata_json,
    }  # fmt: skip
    app = current()
    try:
        job = app.jobs.wait(merging.submit(app, MergeRequest.checked(values), source="extension"))
    except WebuiError as error:
        return [*({"__type__": "update"} for _ in range(_LISTS)), str(error)]
    said = job.error or (job.result.info["message"] if job.result is not None else "The merge was stopped; nothing was written.")
    return [*({"choices": checkpoint_tiles(), "__type__": "update"} for _ in range(_LISTS)), said]
