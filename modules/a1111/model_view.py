"""A1111's ``shared.sd_model`` over the loaded components: the shallow names work, what lies deeper says that it is not there."""
from __future__ import annotations

from collections.abc import Iterator
from traceback import walk_tb
from typing import Any

import torch
from torch import Tensor

from modules.a1111.app_slot import current
from modules.a1111.checkpoint_list import CheckpointInfo, info_of, load_chosen, read_state_dict, run_on_worker
from modules.a1111.config_names import find_checkpoint_config
from modules.a1111.inner_model import parts_of
from modules.a1111.lora_live import original_key
from modules.a1111.made_in_memory import take_up, written_into
from modules.a1111.noise_tables import NoiseTables
from modules.a1111.options import store
from modules.a1111.running import running_work
from modules.a1111.stubs import NotHere, note_use
from modules.a1111.text_names import model_hijack
from modules.a1111.text_stage import GeneralConditioner, text_stage
from modules.application import generation
from modules.application.engine_inputs import resolve
from modules.engine.adapters import layers_by_key
from modules.engine.encode_prompt import encode_texts
from modules.engine.ldm_layers import Layer
from modules.engine.ldm_unet import DiffusionWrapper, ldm_view
from modules.engine.ldm_vae import ldm_vae
from modules.engine.predictor import added_conditions
from modules.extension_host.host import file_of
from modules.families.family import Prediction
from modules.library.model_file import ModelFile
from modules.loading.components import Components
from modules.schema.errors import WebuiError
from modules.schema.request import Txt2ImgRequest


class SdModel(NoiseTables):
    """The checkpoint in use. Facts come without loading it; its modules load it first, where a job has not yet done so."""

    tag = "sd_model"
    lowvram = False
    cond_stage_key = "txt"
    training = False

    @property
    def sd_checkpoint_info(self) -> CheckpointInfo:
        return info_of(self._file)

    @sd_checkpoint_info.setter
    def sd_checkpoint_info(self, info: CheckpointInfo) -> None:
        """Mergers that have written into the model's parts give it another name: what it is now becomes a checkpoint of that name, made in memory."""
        if info != info_of(self._file) or info.name != self._file.name:
            run_on_worker(lambda: take_up(info, self.state_dict()))

    @property
    def _file(self) -> ModelFile:
        app = current()
        return app.checkpoints.current or generation.checkpoint_now(app)

    @property
    def used_config(self) -> str:
        """Mergers ask whether what they made is of the same kind, and then write it into the model: either way it is loaded."""
        return find_checkpoint_config(None, self.sd_checkpoint_info)

    @property
    def sd_model_hash(self) -> str | None:
        return self.sd_checkpoint_info.shorthash or self.sd_checkpoint_info.hash

    @sd_model_hash.setter
    def sd_model_hash(self, _: Any) -> None:
        """As the info has it."""

    @property
    def sd_model_checkpoint(self) -> str:
        return self.sd_checkpoint_info.filename

    @sd_model_checkpoint.setter
    def sd_model_checkpoint(self, filename: str) -> None:
        """Mergers name the file that there would be."""
        self.sd_checkpoint_info.filename = filename

    filename = sd_model_checkpoint

    @property
    def is_sdxl(self) -> bool:
        return "SDXL" in self._family_name

    @property
    def is_sd3(self) -> bool:
        return self._family_name.startswith(("SD3", "SD 3"))

    @property
    def is_sd2(self) -> bool:
        return self._family_name.startswith(("SD2", "SD 2"))

    @property
    def is_sd1(self) -> bool:
        return not (self.is_sdxl or self.is_sd2 or self.is_sd3)

    is_ssd = False
    is_sdxl_inpaint = property(lambda self: self.is_sdxl and "npaint" in self._family_name)

    @property
    def _family_name(self) -> str:
        components = current().checkpoints.components
        if components is not None:
            return components.family.name
        return self.sd_checkpoint_info._model.family_name or ""

    @property
    def components(self) -> Components:
        """Loaded now if need be. Raises WebuiError."""
        found = current().checkpoints.components
        if found is None:
            load_chosen()
            found = current().checkpoints.components
        if found is None:
            raise WebuiError("No checkpoint is loaded.", "Choose one at the top of the page.")
        return found

    @property
    def device(self) -> torch.device:
        return torch.device(current().policy.device)

    @property
    def dtype(self) -> torch.dtype:
        return next(self.components.unet.parameters()).dtype

    @property
    def parameterization(self) -> str:
        return "v" if self.components.prediction is Prediction.V else "eps"

    @property
    def model(self) -> DiffusionWrapper:
        """``diffusion_model`` in CompVis' shape; what is done to its parts acts. conditioning_key: as A1111 has it."""
        return ldm_of(self.components)

    def apply_model(self, x_noisy: Tensor, t: Tensor, cond: Any) -> Tensor:
        """What the model predicts for (B, 4, h, w) at timesteps (B,). cond: c_crossattn, c_concat and c_adm, or the first alone."""
        context, vector, image = parts_of(cond)
        unet: Any = self.components.unet
        kind = self.dtype
        if image is not None and unet.config.in_channels > x_noisy.shape[1]:
            x_noisy = torch.cat([x_noisy, image.to(x_noisy)], dim=1)
        with torch.no_grad():
            return unet(x_noisy.to(kind), timestep=t, encoder_hidden_states=context.to(kind), added_cond_kwargs=added_conditions(vector), return_dict=False)[0].to(x_noisy.dtype)

    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor | None = None) -> Tensor:
        """(B, ...) latents with the noise of timesteps (B,)."""
        kept = self.alphas_cumprod.to(x_start)[t.to(x_start.device)].reshape(-1, *[1] * (x_start.ndim - 1))
        return kept.sqrt() * x_start + (1 - kept).sqrt() * (torch.randn_like(x_start) if noise is None else noise)

    def state_dict(self, *_: Any, **__: Any) -> dict[str, Tensor]:
        """The tensors of the checkpoint's file, under its names, with what was written into the model's parts; what LoRAs do for a picture is not in them."""
        tensors, parts = read_state_dict(str(self._file.path)), current().checkpoints.components
        return tensors if parts is None else tensors | written_into(parts, tensors)

    def named_modules(self, memo: Any = None, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Any]]:
        """CompVis' names of the denoiser's modules."""
        yield from self.model.named_modules(memo, "model", remove_duplicate)

    def modules(self) -> Iterator[Any]:
        yield from self.model.modules()

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        """The denoiser's; asked for the first one's device and number type."""
        yield from self.model.parameters(recurse)

    @property
    def first_stage_model(self) -> Any:
        """The VAE in CompVis' shape; what is done to its parts acts."""
        _listen()
        return ldm_vae(self.components.vae)

    @property
    def network_layer_mapping(self) -> dict[str, Any]:
        """The layers that LoRAs change and all parts of the denoiser, by the names that ``networks`` gives them; they bear these as ``network_layer_name``."""
        parts = self.components
        if (own := self.__dict__.get("_mapping")) is not None and own[0] is parts and own[1] is not None:
            return own[1]
        work = running_work()
        if work is not None and work.layers is not None and work.layers[0] is parts:
            return work.layers[1]
        parts.keep_text_encoders()
        found = {name.replace(".", "_"): part for name, part in self.model.named_modules()}
        found |= {original_key(key, parts): layers[0] for key, layers in layers_by_key(parts).items()}
        for name, part in found.items():
            if part.__dict__.get("network_layer_name") != name:     # written once: a recording compares attributes
                part.__dict__["network_layer_name"] = name
        if work is not None:
            work.layers = parts, found
        return found

    @network_layer_mapping.setter
    def network_layer_mapping(self, mapping: dict[str, Any] | None) -> None:
        """An extension's own, for as long as this checkpoint is in use; None: none any more."""
        self.__dict__["_mapping"] = self.components, mapping

    @property
    def cond_stage_model(self) -> Any:
        """The text stage; SDXL's conditioner where it has several encoders, as in A1111."""
        _listen()
        stage = text_stage(self.components, model_hijack)
        embedders = getattr(stage, "embedders", ())
        return embedders[0] if len(embedders) == 1 else stage

    @property
    def conditioner(self) -> Any:
        """SDXL's alone: extensions tell the models apart by it."""
        _listen()
        stage = text_stage(self.components, model_hijack)
        if not isinstance(stage, GeneralConditioner):
            raise AttributeError("conditioner")
        return stage

    def decode_first_stage(self, latents: Tensor) -> Tensor:
        """(B, 4, h, w) -> (B, 3, 8h, 8w) in -1..1."""
        parts = self.components
        vae_type = next(parts.vae.parameters()).dtype
        with torch.no_grad(), parts.placement.resident(parts.vae):
            return parts.vae.decode((latents / parts.family.latent.scale).to(vae_type)).sample.to(latents.dtype).contiguous()  # type: ignore[union-attr]

    def encode_first_stage(self, images: Tensor) -> Any:
        """The distribution over latents of pictures (B, 3, H, W) in -1..1."""
        parts = self.components
        with torch.no_grad(), parts.placement.resident(parts.vae):
            found = parts.vae.encode(images.to(next(parts.vae.parameters()).dtype)).latent_dist  # type: ignore[union-attr]
        # the VAE's layers keep the channels last in memory, and torch.randn_like of such latents deals a seed's numbers out in another order
        return type(found)(found.parameters.contiguous()) if isinstance(getattr(found, "parameters", None), Tensor) else found

    def get_first_stage_encoding(self, posterior: Any) -> Tensor:
        found = posterior.sample() if hasattr(posterior, "sample") else posterior
        return found.contiguous() * self.components.family.latent.scale

    def get_learned_conditioning(self, prompts: Any) -> Any:
        """Texts (a list, SdConditioning for SDXL) -> (n, T, C); for SDXL a dict with "crossattn" and "vector"."""
        app, work = current(), running_work()
        listener = work.listeners[-1] if work is not None and work.listeners else None
        request = listener.writer.request if listener is not None else resolve(Txt2ImgRequest(), app.settings)
        networks = listener.networks.text_key_now() if listener is not None and listener.networks is not None else ()
        size = getattr(prompts, "width", None) or request.width, getattr(prompts, "height", None) or request.height
        with torch.no_grad():
            found = encode_texts(
                list(prompts), self.components, request.options, embeddings=app.embeddings, networks=networks, size=size,
                negative=bool(getattr(prompts, "is_negative_prompt", False)),
            )  # fmt: skip
        cross = torch.stack([each.tensor for each in found])
        vectors = [each.vector for each in found if each.vector is not None]
        return cross if not vectors else {"crossattn": cross, "vector": torch.stack(vectors)}

    @property
    def cond_stage_model_empty_prompt(self) -> Tensor:
        """(1, 77, C) of no text: extensions fill up a shorter text with it."""
        found = self.get_learned_conditioning([""])
        return found["crossattn"] if isinstance(found, dict) else found

    def eval(self) -> SdModel:
        return self

    def to(self, *arguments: Any, **keywords: Any) -> SdModel:
        """The program itself moves models."""
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ("forge_objects", "text_processing_engine", "text_processing_engine_l", "embedding_db", "conditioner"):
            raise AttributeError(name)
        note_use(f"shared.sd_model.{name}", "", logs=False)
        raise NotHere(f"shared.sd_model.{name} is a part of A1111's CompVis model; this program draws with diffusers' modules and has no such part.")


def ldm_of(parts: Components | None) -> Any:
    """The UNet of ``parts`` in CompVis' shape; what extensions do to it is told as theirs."""
    if parts is None:
        return None
    _listen()
    return ldm_view(parts.unet, conditioning_key="hybrid" if parts.family.is_inpainting else "crossattn")


def _listen() -> None:
    Layer.failed = staticmethod(_layer_failed)


def _layer_failed(code: Any, place: str, error: BaseException) -> None:
    """What an extension put in the place of a part of the model raised: the part itself does its work."""
    host = current().extensions
    named = [file_of(code), *(frame.f_code.co_filename for frame, _ in walk_tb(error.__traceback__))]
    owner = next((found for file in reversed(named) if (found := host.owner_of(file)) != "base"), "base")
    host.troubles.note(owner, f"model, {place}", error)
    if (work := running_work()) is not None:
        work.comments.setdefault(f"What the extension {owner} does in the model ({place}) failed and was passed over: {type(error).__name__}: {error}")


_view = SdModel()


def sd_model() -> SdModel | None:
    """The model view; None where there is no checkpoint at all."""
    return _view if current().catalogue.checkpoints() else None


def load_model(checkpoint_info: Any = None, already_loaded_state_dict: Any = None, *_: Any, **__: Any) -> Any:
    """Choose a checkpoint (None: the chosen one) and load it; with a dict of tensors these, under its name, until another one is chosen. Raises WebuiError."""
    if already_loaded_state_dict is not None:
        run_on_worker(lambda: take_up(checkpoint_info or _view.sd_checkpoint_info, already_loaded_state_dict))
        return _view
    return reload_model_weights(info=checkpoint_info)


def reload_model_weights(sd_model: Any = None, info: CheckpointInfo | None = None, forced_reload: bool = False) -> Any:
    """Choose ``info`` (None: the chosen one) and load it; on the worker at once, elsewhere when the running job is over."""
    if info is not None:
        store(generation.CHECKPOINT_KEY, info.title)
    load_chosen()
    return _view
