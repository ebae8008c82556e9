"""A1111's names around training: new embeddings and hypernetworks, their training, its templates."""
from __future__ import annotations

from collections import namedtuple
from pathlib import Path
from typing import Any

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.live import LiveDict
from modules.a1111.text_names import Embedding, embedding_of
from modules.application import training
from modules.application.generation import outcome_of
from modules.application.training_arguments import hypernetwork_asked, training_asked
from modules.application.training_run import EMBEDDING, HYPERNETWORK, KINDS
from modules.application.training_templates import templates
from modules.loading.embeddings import load_embedding
from modules.loading.hypernetwork_file import TrainableHypernetwork
from modules.schema.errors import CannotLoad, InvalidValue
from modules.schema.params_training import NewEmbedding

TextualInversionTemplate = namedtuple("TextualInversionTemplate", ["name", "path"])
# The order of A1111's arguments, behind the task's id and the name.
_BOTH_FIRST = (
    "learn_rate", "batch_size", "gradient_step", "data_root", "log_directory", "training_width", "training_height", "varsize", "steps", "clip_grad_mode",
    "clip_grad_value", "shuffle_tags", "tag_drop_out", "latent_sampling_method", "use_weight", "create_image_every")
_EMBEDDINGS_OWN = ("save_embedding_every", "template_filename", "save_image_with_stored_embedding", "preview_from_txt2img")
_HYPERNETWORKS_OWN = ("save_hypernetwork_every", "template_filename", "preview_from_txt2img")
_PREVIEWS = (
    "preview_prompt", "preview_negative_prompt", "preview_steps", "preview_sampler_name", "preview_cfg_scale", "preview_seed", "preview_width", "preview_height")


def create_embedding_from_data(data: Any, name: str, filename: str = "unknown embedding file", filepath: str | None = None) -> Embedding:
    """An Embedding from the contents of its file. Raises InvalidValue for what is none."""
    table = data.get("string_to_param")
    if table is not None:
        table = getattr(table, "_parameters", table)
        vec: Any = next(iter(table.values())).detach()
    elif "clip_g" in data and "clip_l" in data:
        vec = {"clip_g": data["clip_g"], "clip_l": data["clip_l"]}
    else:
        tensors = [each for each in data.values() if hasattr(each, "shape")]
        if not tensors:
            raise InvalidValue(f"{filename} is no textual inversion embedding.", "Choose another file, or take it out of the embeddings folder.")
        vec = tensors[0][None] if tensors[0].ndim == 1 else tensors[0]
    made = Embedding(vec, name, data.get("step"))
    first = vec["clip_g"] if isinstance(vec, dict) else vec
    made.vectors = int(first.shape[0])
    made.shape = sum(int(each.shape[-1]) for each in vec.values()) if isinstance(vec, dict) else int(vec.shape[-1])
    made.filename = filepath
    made.sd_checkpoint, made.sd_checkpoint_name = data.get("sd_checkpoint"), data.get("sd_checkpoint_name")
    return made


def create_embedding(name: str, num_vectors_per_token: int, overwrite_old: bool, init_text: str = "*") -> str:
    """The new file. Raises WebuiError, as the page's tab does."""
    asked = {"name": name, "num_vectors_per_token": num_vectors_per_token, "overwrite_old": overwrite_old, "init_text": init_text}
    return str(training.create_embedding(current(), NewEmbedding.from_flat(asked)))


def create_hypernetwork(
    name: str, enable_sizes: Any, overwrite_old: bool, layer_structure: Any = None, activation_func: str | None = None, weight_init: str | None = None,
    add_layer_norm: bool = False, use_dropout: bool = False, dropout_structure: Any = None,
) -> str:
    """The new file. Raises WebuiError."""
    asked = {
        "name": name, "enable_sizes": list(enable_sizes or ()), "overwrite_old": overwrite_old, "layer_structure": layer_structure, "activation_func": activation_func,
        "weight_init": weight_init, "add_layer_norm": add_layer_norm, "use_dropout": use_dropout, "dropout_structure": dropout_structure}
    return str(training.create_hypernetwork(current(), hypernetwork_asked(asked)))


def train_embedding(id_task: Any, embedding_name: str, *arguments: Any, **named: Any) -> tuple[Embedding, str]:
    """A1111's arguments in its order, or by name. Comes back when the training is over: what was trained, and its file. Raises WebuiError."""
    path = _trained(EMBEDDING, embedding_name, _BOTH_FIRST + _EMBEDDINGS_OWN + _PREVIEWS, arguments, named)
    loaded = load_embedding(Path(path))
    if loaded is None:
        raise CannotLoad(Path(path), "it holds no embedding")
    return embedding_of(loaded, Path(path)), path


def train_hypernetwork(id_task: Any, hypernetwork_name: str, *arguments: Any, **named: Any) -> tuple[TrainableHypernetwork, str]:
    """As ``train_embedding``."""
    path = _trained(HYPERNETWORK, hypernetwork_name, _BOTH_FIRST + _HYPERNETWORKS_OWN + _PREVIEWS, arguments, named)
    return TrainableHypernetwork.read(Path(path)), path


def _trained(kind: str, name: str, order: tuple[str, ...], arguments: tuple[Any, ...], named: dict[str, Any]) -> str:
    app, what = current(), KINDS[kind]
    asked = training_asked({**dict(zip(order, arguments)), **named, f"{what}_name": name}, what)
    return str(outcome_of(app.jobs.wait(training.submit(app, asked, kind, source="api"))).info.get("path", ""))


def _templates() -> dict[str, TextualInversionTemplate]:
    known = templates(Path(current().flags.textual_inversion_templates_dir)) if is_occupied() else {}
    return {name: TextualInversionTemplate(name, str(path)) for name, path in known.items()}


textual_inversion_templates = LiveDict(_templates)


def list_textual_inversion_templates() -> LiveDict:
    """Name -> template. Nothing need be read again: it always is as the folder is."""
    return textual_inversion_templates
