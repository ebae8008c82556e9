"""What the Train tab and its API ask for: a new embedding, a new hypernetwork, and the training of one."""

from __future__ import annotations

from dataclasses import dataclass

from modules.schema.errors import InvalidValue
from modules.schema.flat import FlatRequest
from modules.schema.param import param
from modules.schema.widgets import Checkbox, CheckboxGroup, Dropdown, Number, Radio, Slider, TextArea

WIDTHS = ("768", "1024", "320", "640", "1280")
INITS = ("Normal", "KaimingUniform", "KaimingNormal", "XavierUniform", "XavierNormal")
CLIPPING = ("disabled", "value", "norm")
SAMPLING = ("once", "deterministic", "random")
_MOST_STEPS = 100_000_000
_LONG = 4096                        # characters of a path


@dataclass(frozen=True, kw_only=True)
class NewEmbedding(FlatRequest):
    """A file for words to come. ``name``: what prompts call it."""

    name: str = param("", label="Name", elem_id="train_new_embedding_name", widget=TextArea(), max_length=200)
    init_text: str = param(
        "*", label="Initialization text", elem_id="train_initialization_text", widget=TextArea(), max_length=2000,
        description="The vectors begin as those of this text; empty: as zeros.")
    num_vectors_per_token: int = param(1, label="Number of vectors per token", elem_id="train_nvpt", widget=Slider(1, 75), accepts=(1, 75))
    overwrite_old: bool = param(False, label="Overwrite Old Embedding", elem_id="train_overwrite_old_embedding", widget=Checkbox())


@dataclass(frozen=True, kw_only=True)
class NewHypernetwork(FlatRequest):
    """Layers for attentions of these widths."""

    name: str = param("", label="Name", elem_id="train_new_hypernetwork_name", widget=TextArea(), max_length=200)
    enable_sizes: tuple[str, ...] = param(
        ("768", "320", "640", "1280"), label="Modules", elem_id="train_new_hypernetwork_sizes", widget=CheckboxGroup("hypernetwork_widths"),
        description="768 (1024 for SD 2.x): the attentions to the prompt; the others: those of the picture to itself.")
    layer_structure: str = param(
        "1, 2, 1", label="Enter hypernetwork layer structure", elem_id="train_new_hypernetwork_layer_structure", max_length=200,
        widget=TextArea(placeholder="1st and last digit must be 1. ex:'1, 2, 1'"))
    activation_func: str = param(
        "linear", label="Select activation function of hypernetwork. Recommended : Swish / Linear(none)", elem_id="train_new_hypernetwork_activation_func",
        widget=Dropdown("activations"), max_length=40)
    weight_init: str = param(
        "Normal", label="Select Layer weights initialization. Recommended: Kaiming for relu-like, Xavier for sigmoid-like, Normal otherwise",
        elem_id="train_new_hypernetwork_initialization_option", widget=Dropdown(INITS), max_length=40)
    add_layer_norm: bool = param(False, label="Add layer normalization", elem_id="train_new_hypernetwork_add_layer_norm", widget=Checkbox())
    use_dropout: bool = param(False, label="Use dropout", elem_id="train_new_hypernetwork_use_dropout", widget=Checkbox())
    dropout_structure: str = param(
        "0, 0, 0", label="Enter hypernetwork Dropout structure (or empty). Recommended : 0~0.35 incrementing sequence: 0, 0.05, 0.15",
        elem_id="train_new_hypernetwork_dropout_structure", max_length=200,
        widget=TextArea(placeholder="1st and last digit must be 0 and values should be between 0 and 1. ex:'0, 0.01, 0'"))
    overwrite_old: bool = param(False, label="Overwrite Old Hypernetwork", elem_id="train_overwrite_old_hypernetwork", widget=Checkbox())

    def structure(self) -> tuple[float, ...]:
        """Raises InvalidValue."""
        return _numbers(self.layer_structure, "layer_structure")

    def dropout(self) -> tuple[float, ...]:
        """Empty where none is asked for. Raises InvalidValue."""
        return _numbers(self.dropout_structure, "dropout_structure") if self.use_dropout and self.dropout_structure.strip() else ()


@dataclass(frozen=True, kw_only=True)
class TrainingRequest(FlatRequest):
    """One training; of ``embedding_name`` and ``hypernetwork_name`` whichever is asked for. preview_*: what test pictures are made with where ``preview_from_txt2img`` says so."""

    embedding_name: str = param("", label="Embedding", elem_id="train_embedding", widget=Dropdown("embeddings"), max_length=_LONG)
    hypernetwork_name: str = param("", label="Hypernetwork", elem_id="train_hypernetwork", widget=Dropdown("hypernetworks"), max_length=_LONG)
    embedding_learn_rate: str = param(
        "0.005", label="Embedding Learning rate", elem_id="train_embedding_learn_rate", widget=TextArea(placeholder="Embedding Learning rate"), max_length=2000,
        description='A number, or rates with the steps until which they hold: "0.005:100, 1e-3:1000, 1e-5".')
    hypernetwork_learn_rate: str = param(
        "0.00001", label="Hypernetwork Learning rate", elem_id="train_hypernetwork_learn_rate", widget=TextArea(placeholder="Hypernetwork Learning rate"),
        max_length=2000)
    clip_grad_mode: str = param("disabled", label="Gradient Clipping", elem_id="train_clip_grad_mode", widget=Dropdown(CLIPPING), max_length=40)
    clip_grad_value: str = param("0.1", label="Gradient clip value", elem_id="train_clip_grad_value", widget=TextArea(), max_length=2000)
    batch_size: int = param(1, label="Batch size", elem_id="train_batch_size", widget=Number(0), accepts=(1, 1024))
    gradient_step: int = param(1, label="Gradient accumulation steps", elem_id="train_gradient_step", widget=Number(0), accepts=(1, 100_000))
    data_root: str = param(
        "", label="Dataset directory", elem_id="train_dataset_directory", widget=TextArea(placeholder="Path to directory with input images"), max_length=_LONG,
        description="A folder on the server's machine. A picture's caption is the text file of its name, else its name.")
    log_directory: str = param(
        "textual_inversion", label="Log directory", elem_id="train_log_directory", widget=TextArea(placeholder="Path to directory where to write outputs"),
        max_length=_LONG)
    template_filename: str = param(
        "style_filewords.txt", label="Prompt template", elem_id="train_template_file", widget=Dropdown("training_templates"), max_length=_LONG)
    training_width: int = param(512, label="Width", elem_id="train_training_width", widget=Slider(64, 2048, 8), accepts=(64, 4096))
    training_height: int = param(512, label="Height", elem_id="train_training_height", widget=Slider(64, 2048, 8), accepts=(64, 4096))
    varsize: bool = param(False, label="Do not resize images", elem_id="train_varsize", widget=Checkbox())
    steps: int = param(100_000, label="Max steps", elem_id="train_steps", widget=Number(0), accepts=(1, _MOST_STEPS))
    create_image_every: int = param(
        500, label="Save an image to log directory every N steps, 0 to disable", elem_id="train_create_image_every", widget=Number(0), accepts=(0, _MOST_STEPS))
    save_embedding_every: int = param(
        500, label="Save a copy of embedding to log directory every N steps, 0 to disable", elem_id="train_save_embedding_every", widget=Number(0),
        accepts=(0, _MOST_STEPS))
    use_weight: bool = param(False, label="Use PNG alpha channel as loss weight", elem_id="use_weight", widget=Checkbox())
    save_image_with_stored_embedding: bool = param(
        True, label="Save images with embedding in PNG chunks", elem_id="train_save_image_with_stored_embedding", widget=Checkbox())
    preview_from_txt2img: bool = param(
        False, label="Read parameters (prompt, etc...) from txt2img tab when making previews", elem_id="train_preview_from_txt2img", widget=Checkbox())
    shuffle_tags: bool = param(False, label="Shuffle tags by ',' when creating prompts.", elem_id="train_shuffle_tags", widget=Checkbox())
    tag_drop_out: float = param(0.0, label="Drop out tags when creating prompts.", elem_id="train_tag_drop_out", widget=Slider(0, 1, 0.1), accepts=(0, 1))
    latent_sampling_method: str = param(
        "once", label="Choose latent sampling method", elem_id="train_latent_sampling_method", widget=Radio(SAMPLING), max_length=40)
    preview_prompt: str = param("", label="Prompt of previews", max_length=100_000)
    preview_negative_prompt: str = param("", label="Negative prompt of previews", max_length=100_000)
    preview_steps: int = param(20, label="Steps of previews", accepts=(1, 1000))
    preview_sampler_name: str = param("", label="Sampler of previews", max_length=200)
    preview_cfg_scale: float = param(7.0, label="CFG scale of previews", accepts=(0, 1000))
    preview_seed: int = param(-1, label="Seed of previews", accepts=(-1, 2**63))
    preview_width: int = param(512, label="Width of previews", accepts=(8, 8192))
    preview_height: int = param(512, label="Height of previews", accepts=(8, 8192))

    def check_whole(self) -> None:
        for name, choices in (("clip_grad_mode", CLIPPING), ("latent_sampling_method", SAMPLING)):
            if getattr(self, name) not in choices:
                raise InvalidValue(f"{name}: {getattr(self, name)[:40]!r} is no choice.", f"Choose {', '.join(choices)}.", field=name)


def _numbers(text: str, field: str) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError as error:
        raise InvalidValue(f"{field}: {text[:80]!r} are no numbers.", "Write them with commas: 1, 2, 1.", field=field) from error
