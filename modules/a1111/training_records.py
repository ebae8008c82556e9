"""What A1111's trainings write down, for extensions that train by loops of their own."""
from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from modules.a1111.app_slot import current
from modules.application.training_losses import add_loss
from modules.files.atomic import write_json


def write_loss(log_directory: Any, filename: str, step: int, epoch_len: int, values: Mapping[str, Any]) -> None:
    """A row of a CSV file, at the steps that the setting names."""
    every = current().settings.get("training_write_csv_every")
    if not every or step % every:
        return
    add_loss(Path(log_directory) / filename, step, epoch_len, values)


saved_params_shared = frozenset((
    "batch_size", "clip_grad_mode", "clip_grad_value", "create_image_every", "data_root", "gradient_step", "initial_step", "latent_sampling_method", "learn_rate",
    "log_directory", "model_hash", "model_name", "num_of_dataset_images", "steps", "template_file", "training_height", "training_width"))
saved_params_ti = frozenset(("embedding_name", "num_vectors_per_token", "save_embedding_every", "save_image_with_stored_embedding"))
saved_params_hypernet = frozenset((
    "activation_func", "add_layer_norm", "hypernetwork_name", "layer_structure", "save_hypernetwork_every", "use_dropout", "weight_init"))
saved_params_all = saved_params_shared | saved_params_ti | saved_params_hypernet
saved_params_previews = frozenset((
    "preview_cfg_scale", "preview_height", "preview_negative_prompt", "preview_prompt", "preview_sampler_index", "preview_seed", "preview_steps", "preview_width"))


def save_settings_to_file(log_directory: Any, all_params: Mapping[str, Any]) -> None:
    """What a training was asked for, in a JSON file named by the time."""
    now = datetime.now()
    keys = saved_params_all | (saved_params_previews if all_params.get("preview_from_txt2img") else frozenset())
    values = {"datetime": now.strftime("%Y-%m-%d %H:%M:%S"), **{key: value for key, value in all_params.items() if key in keys}}
    write_json(Path(log_directory) / f"settings-{re.sub('[ :]', '-', values['datetime'])}.json", values)
