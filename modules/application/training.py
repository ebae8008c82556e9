"""Training as jobs, and the new embeddings and hypernetworks that it begins with. What can be wrong with a request is said before it waits."""
from __future__ import annotations

import glob
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modules.application import generation
from modules.application.app import App
from modules.application.generation import checkpoint_now
from modules.application.img2img_batch import named_folder, pictures_of
from modules.application.training_run import EMBEDDING, HYPERNETWORK, KINDS, run
from modules.application.training_templates import template_lines
from modules.engine.hypernetworks import widths_of
from modules.engine.training.rates import Rates
from modules.files.atomic import write_bytes
from modules.files.resolver import safe_new
from modules.jobs.job import Job
from modules.loading.embedding_file import embedding_values, first_vectors, write_embedding
from modules.loading.hypernetwork_file import Shape, TrainableHypernetwork
from modules.schema.errors import InvalidValue
from modules.schema.params_training import WIDTHS, NewEmbedding, NewHypernetwork, TrainingRequest

_OTHERS = (".safetensors", ".bin")
_ALLOWED = "._- "               # in names, beside letters and digits


def create_embedding(app: App, asked: NewEmbedding) -> Path:
    """Write the file and list it. Loads the checkpoint in use: its text encoders read the first words. Raises WebuiError."""
    goal = _goal(Path(app.flags.embeddings_dir).absolute(), asked.name, overwrite=asked.overwrite_old)
    model = checkpoint_now(app)

    def made() -> bytes:
        components = generation.load_checkpoint(app, model, app.settings)
        tensors = first_vectors(components, asked.init_text, asked.num_vectors_per_token)
        if not tensors or components.family.is_flow:
            raise InvalidValue(f"Embeddings are not made for {components.family.name} checkpoints.", "Choose one of SD 1.x, SD 2.x or SDXL.", field="name")
        file = io.BytesIO()
        write_embedding(file, embedding_values(tensors, name=goal.stem, step=0))
        return file.getvalue()

    write_bytes(goal, app.jobs.call(made))
    app.catalogue.refresh()
    return goal


def hypernetwork_widths(app: App) -> list[str]:
    """A1111's, and those of the checkpoint that is loaded."""
    held = app.checkpoints.components
    return list(dict.fromkeys((*WIDTHS, *map(str, widths_of(held.unet) if held is not None else ()))))


def create_hypernetwork(app: App, asked: NewHypernetwork) -> Path:
    """Write the file and list it. Raises WebuiError."""
    goal = _goal(Path(app.flags.hypernetwork_dir).absolute(), asked.name, overwrite=asked.overwrite_old)
    try:
        widths = sorted({int(each) for each in asked.enable_sizes})
    except ValueError as error:
        raise InvalidValue("enable_sizes must be numbers, such as 320 and 768.", field="enable_sizes") from error
    if not widths or not all(0 < each <= 8192 for each in widths):
        raise InvalidValue("A hypernetwork needs modules: the widths that it works on.", "Tick at least one, such as 768.", field="enable_sizes")
    shape = Shape(structure=asked.structure(), activation=asked.activation_func, init=asked.weight_init, norm=asked.add_layer_norm, dropout=asked.dropout())
    file = io.BytesIO()
    TrainableHypernetwork.new(goal.stem, shape, widths).write(file, name=goal.stem, model_hash="", model_name="")
    write_bytes(goal, file.getvalue())
    app.catalogue.refresh()
    return goal


def submit(app: App, asked: TrainingRequest, kind: str, *, source: str, task_id: str | None = None, user: str = "") -> Job:
    """Put the training of ``kind`` (one of KINDS) in line. Raises WebuiError."""
    check(app, asked, kind)
    model = checkpoint_now(app)
    payload = {"request": asked.to_flat(), "settings": app.settings.changed(), "checkpoint": model.name, "user": user}
    return app.jobs.submit(kind, payload, id=task_id or None, source=source)


def check(app: App, asked: TrainingRequest, kind: str) -> None:
    """Raises InvalidValue and UnknownName."""
    name = asked.embedding_name if kind == EMBEDDING else asked.hypernetwork_name
    if not name:
        raise InvalidValue(f"There is no {KINDS[kind]} to train.", f"Choose one; \"Create {KINDS[kind]}\" makes a new one.", field=f"{KINDS[kind]}_name")
    rate = asked.embedding_learn_rate if kind == EMBEDDING else asked.hypernetwork_learn_rate
    Rates.parsed(rate, asked.steps)
    if asked.clip_grad_mode != "disabled":
        Rates.parsed(asked.clip_grad_value, asked.steps, field="clip_grad_value")
    if not asked.data_root.strip():
        raise InvalidValue("The dataset directory is empty.", "Name a folder of this computer that has the pictures.", field="data_root")
    if not pictures_of(named_folder(app, asked.data_root, "Dataset directory")):
        raise InvalidValue(f"There are no pictures in {asked.data_root.strip()}.", "Put some there, PNG or JPEG.", field="data_root")
    lines = template_lines(Path(app.flags.textual_inversion_templates_dir), asked.template_filename)
    if kind == EMBEDDING and not any("[name]" in line for line in lines):
        raise InvalidValue(f"No line of the prompt template {asked.template_filename} has [name]: the embedding would stand in no prompt, and learn nothing.",
                           "Choose another, such as subject_filewords.txt or style_filewords.txt.", field="template_filename")
    log_folder(app, asked)


def log_folder(app: App, asked: TrainingRequest) -> Path:
    """Where copies, pictures and losses go. Raises InvalidValue."""
    if not asked.log_directory.strip():
        raise InvalidValue("The log directory is empty.", "Name a folder, such as textual_inversion.", field="log_directory")
    folder = app.paths.output_folder(asked.log_directory.strip())
    if app.paths.is_code_folder(folder):
        raise InvalidValue(f"{folder} is a folder of programs: nothing is written there.", "Choose another log directory.", field="log_directory")
    if app.flags.hide_ui_dir_config and app.paths.data_dir not in folder.parents:
        raise InvalidValue("Other log directories cannot be named, the server was started with --hide-ui-dir-config.", "Name one inside the data folder.", field="log_directory")
    return folder


def runners(app: App) -> dict[str, Callable[[Job], tuple[Any, dict[str, Any]]]]:
    """What the queue runs."""
    return {kind: lambda job: run(app, job, log_folder(app, TrainingRequest.from_flat(job.payload["request"]))) for kind in (EMBEDDING, HYPERNETWORK)}


def _goal(folder: Path, name: str, *, overwrite: bool) -> Path:
    clean = "".join(each for each in name if each.isalnum() or each in _ALLOWED).strip()
    if not clean.strip("."):
        raise InvalidValue("The name cannot be empty.", "Write one in letters and digits.", field="name")
    goal = safe_new(folder, f"{clean}.pt")
    other = next((each for each in folder.glob(f"{glob.escape(clean)}.*") if each.suffix.lower() in _OTHERS), None)
    if other is not None:               # prompts would mean one of the two
        raise InvalidValue(f"file {other} already exists", "Choose another name.", field="name")
    if goal.exists() and not overwrite:
        raise InvalidValue(f"file {goal} already exists", "Choose another name, or tick Overwrite.", field="name")
    return goal
