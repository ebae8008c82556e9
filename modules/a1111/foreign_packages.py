"""Packages that A1111 has on its path and extensions import: CompVis' ldm, sgm, k_diffusion, the built-in Lora's modules, built-in scripts.

Their names import; what lies behind them is a stub, for this program's models are diffusers' modules. A real package of that
name, where one is installed, comes first.
"""
from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from modules.a1111 import (
    kdiffusion_names,
    ldm_names,
    lora_layers,
    lora_modules,
    lora_names,
    open_clip_names,
    torchvision_names,
    upscale_script,
)
from modules.a1111.app_slot import current, is_occupied
from modules.a1111.inner_model import CompVisDenoiser, CompVisVDenoiser
from modules.a1111.model_view import SdModel
from modules.a1111.network_pages import ExtraNetworksPageLora
from modules.a1111.places import NAMES
from modules.a1111.script_files import built_in_module
from modules.a1111.stubs import UNKNOWN, stubbed
from modules.a1111.text_stage import LDM, SGM, GeneralConditioner
from modules.engine.ldm_unet import DiffusionWrapper
from modules.engine.ldm_vae import AutoencoderKL, DiagonalGaussianDistribution
from modules.extension_host.load_scripts import load_module as load_script_file
from modules.loading import torchvision_absence

_ATTENTION = "CrossAttention MemoryEfficientCrossAttention BasicTransformerBlock SpatialTransformer FeedForward GEGLU default exists zero_module max_neg_value uniq init_ checkpoint Normalize LinearAttention SpatialSelfAttention XFORMERS_IS_AVAILBLE _ATTN_PRECISION"
_UNET = "UNetModel ResBlock TimestepEmbedSequential TimestepBlock Downsample Upsample AttentionBlock QKVAttention QKVAttentionLegacy TransposedUpsample convert_module_to_f16 convert_module_to_f32 count_flops_attn Timestep th"
_UTIL = "timestep_embedding make_beta_schedule checkpoint conv_nd linear normalization zero_module avg_pool_nd noise_like extract_into_tensor make_ddim_sampling_parameters make_ddim_timesteps GroupNorm32 mean_flat HybridConditioner CheckpointFunction betas_for_alpha_bar mixed_checkpoint"
_MODEL = "AttnBlock Encoder Decoder Upsample Downsample ResnetBlock Model nonlinearity Normalize get_timestep_embedding make_attn MemoryEfficientAttnBlock MemoryEfficientCrossAttentionWrapper LinAttnBlock LatentRescaler"

PACKAGES: dict[str, str] = {
    "ldm": "", "ldm.util": "instantiate_from_config default exists count_params mean_flat isimage ismap log_txt_as_img get_obj_from_str", "ldm.modules": "",
    "ldm.modules.attention": _ATTENTION, "ldm.modules.ema": "LitEma", "ldm.modules.diffusionmodules": "",
    "ldm.modules.diffusionmodules.openaimodel": _UNET, "ldm.modules.diffusionmodules.util": _UTIL, "ldm.modules.diffusionmodules.model": _MODEL,
    "ldm.modules.diffusionmodules.upscaling": "ImageConcatWithNoiseAugmentation AbstractLowScaleModel", "ldm.modules.distributions": "",
    "ldm.modules.distributions.distributions": "DiagonalGaussianDistribution normal_kl", "ldm.modules.encoders": "",
    "ldm.modules.encoders.modules": "FrozenCLIPEmbedder FrozenOpenCLIPEmbedder FrozenT5Embedder AbstractEncoder ClassEmbedder IdentityEncoder FrozenCLIPT5Encoder",
    "ldm.modules.midas": "", "ldm.modules.midas.api": "MiDaSInference load_model", "ldm.models": "", "ldm.models.autoencoder": "AutoencoderKL VQModel IdentityFirstStage",
    "ldm.models.diffusion": "", "ldm.models.diffusion.ddpm": "LatentDiffusion DDPM DiffusionWrapper LatentInpaintDiffusion LatentDepth2ImageDiffusion LatentFinetuneDiffusion LatentUpscaleDiffusion ImageEmbeddingConditionedLatentDiffusion disabled_train extract_into_tensor uniform_on_device",
    "ldm.models.diffusion.ddim": "DDIMSampler", "ldm.models.diffusion.plms": "PLMSSampler", "ldm.models.diffusion.sampling_util": "append_dims norm_thresholding spatial_norm_thresholding renorm_thresholding",
    "ldm.data": "", "ldm.data.util": "AddMiDaS", "sgm": "", "sgm.util": "append_dims instantiate_from_config default exists disabled_train get_obj_from_str", "sgm.modules": "GeneralConditioner UNCONDITIONAL_CONFIG",
    "sgm.modules.attention": _ATTENTION, "sgm.modules.diffusionmodules": "", "sgm.modules.diffusionmodules.openaimodel": _UNET,
    "sgm.modules.diffusionmodules.util": _UTIL, "sgm.modules.diffusionmodules.model": _MODEL, "sgm.modules.diffusionmodules.wrappers": "OpenAIWrapper IdentityWrapper",
    "sgm.modules.diffusionmodules.denoiser_scaling": "VScaling EpsScaling EDMScaling", "sgm.modules.diffusionmodules.discretizer": "LegacyDDPMDiscretization EDMDiscretization",
    "sgm.modules.diffusionmodules.denoiser": "Denoiser DiscreteDenoiser", "sgm.modules.diffusionmodules.sampling": "", "sgm.modules.encoders": "",
    "sgm.modules.encoders.modules": "GeneralConditioner FrozenCLIPEmbedder FrozenOpenCLIPEmbedder FrozenOpenCLIPEmbedder2 ConcatTimestepEmbedderND AbstractEmbModel FrozenT5Embedder ClassEmbedder",
    "sgm.modules.ema": "LitEma", "sgm.models": "", "sgm.models.diffusion": "DiffusionEngine", "sgm.models.autoencoder": "AutoencoderKL AutoencodingEngine",
    "k_diffusion": "", "k_diffusion.sampling": "append_zero get_sigmas_karras get_sigmas_exponential get_sigmas_polyexponential get_sigmas_vp to_d get_ancestral_step default_noise_sampler BatchedBrownianTree BrownianTreeNoiseSampler sample_euler sample_euler_ancestral sample_heun sample_dpm_2 sample_dpm_2_ancestral sample_lms sample_dpm_fast sample_dpm_adaptive sample_dpmpp_2s_ancestral sample_dpmpp_sde sample_dpmpp_2m sample_dpmpp_2m_sde sample_dpmpp_3m_sde linear_multistep_coeff torch trange",
    "k_diffusion.external": "CompVisDenoiser CompVisVDenoiser DiscreteSchedule DiscreteEpsDDPMDenoiser DiscreteVDDPMDenoiser OpenAIDenoiser VDenoiser ForwardWithGradient", "k_diffusion.utils": "append_dims to_pil_image from_pil_image n_params get_file_path",
    "k_diffusion.gns": "", "k_diffusion.layers": "", "k_diffusion.models": "", "taming": "", "taming.modules": "", "taming.modules.vqvae": "", "taming.modules.vqvae.quantize": "VectorQuantizer2",
    "repositories": "", "extensions-builtin": "", "extensions-builtin.Lora": "", "extensions-builtin.Lora.scripts": "",
}  # fmt: skip
LORA = {
    "lora": {**lora_layers.LORA, **lora_names.LORA}, "networks": {**lora_layers.NETWORKS, **lora_names.NETWORKS}, "network": lora_names.NETWORK, "extra_networks_lora": lora_names.EXTRA,
    "lora_patches": {"LoraPatches": lora_layers.LoraPatches}, "lyco_helpers": {}, **lora_modules.NAMES, "ui_edit_user_metadata": {}, "ui_extra_networks_lora": {"ExtraNetworksPageLora": ExtraNetworksPageLora}, "lora_script": {}, "lora_logger": {},
}  # fmt: skip
SCRIPTS = {"scripts.postprocessing_upscale": upscale_script.NAMES}      # A1111's own, as extensions import them
REAL = {
    **dict.fromkeys(("ldm.modules.diffusionmodules.util", "sgm.modules.diffusionmodules.util"), ldm_names.UTIL),
    **dict.fromkeys(("ldm.modules.attention", "sgm.modules.attention"), ldm_names.ATTENTION),
    **dict.fromkeys(("ldm.modules.diffusionmodules.openaimodel", "sgm.modules.diffusionmodules.openaimodel"), ldm_names.OPENAI),
    "ldm.models.diffusion.ddpm": {"DiffusionWrapper": DiffusionWrapper, "LatentDiffusion": SdModel},
    "k_diffusion.sampling": kdiffusion_names.SAMPLING,
    "k_diffusion.external": {"CompVisDenoiser": CompVisDenoiser, "CompVisVDenoiser": CompVisVDenoiser},
    **dict.fromkeys(("ldm.modules.diffusionmodules.model", "sgm.modules.diffusionmodules.model"), ldm_names.VAE),
    "ldm.models.diffusion.ddim": {"DDIMSampler": ldm_names.DDIMSampler},
    "ldm.models.autoencoder": {"AutoencoderKL": AutoencoderKL}, "sgm.models.autoencoder": {"AutoencoderKL": AutoencoderKL},
    "ldm.modules.distributions.distributions": {"DiagonalGaussianDistribution": DiagonalGaussianDistribution},
    "sgm.modules": {"GeneralConditioner": GeneralConditioner}, "ldm.modules.encoders.modules": LDM, "sgm.modules.encoders.modules": SGM,
    **dict.fromkeys(("ldm.util", "sgm.util", "k_diffusion.utils"), ldm_names.GENERAL),
}
STOOD_IN = {**torchvision_names.MODULES, **open_clip_names.MODULES}     # for extensions' own files, where the real one is not installed
_STOOD_IN_STUBS = {"open_clip": "create_model create_model_and_transforms create_model_from_pretrained get_tokenizer list_models list_pretrained CLIP"}
_LORA_STUBS = {
    "lora": "LoraModule LoraUpDownModule",
    "networks": "assign_network_names_to_compvis_modules load_lora",
    "network_lokr": "make_kron", "lyco_helpers": "make_weight_cp rebuild_conventional rebuild_cp_decomposition rebuild_weight factorization",
    "ui_edit_user_metadata": "LoraUserMetadataEditor", "lora_logger": "logger",
}  # fmt: skip


class Finder(MetaPathFinder, Loader):
    """Finds the packages above, after everything that is really there."""

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname in STOOD_IN:
            return self._stood_in(fullname)
        if fullname in PACKAGES:
            is_package = any(each.startswith(fullname + ".") for each in PACKAGES)
            return ModuleSpec(fullname, self, is_package=is_package)
        known = _without_folder(fullname) in LORA or fullname in SCRIPTS or built_in_module(fullname)
        return ModuleSpec(fullname, self) if known else None

    def _stood_in(self, fullname: str) -> ModuleSpec | None:
        """The stand-in, for extensions' own files: everybody else is told that there is none."""
        host = current().extensions if is_occupied() else None
        if host is None or host.owning(_importing_file()) is None:
            return None
        if fullname in torchvision_names.MODULES:
            torchvision_absence.settle()
        is_package = any(each.startswith(fullname + ".") for each in STOOD_IN)
        return ModuleSpec(fullname, self, is_package=is_package)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = _without_folder(module.__name__)
        for key, value in (STOOD_IN.get(name) or REAL.get(name) or SCRIPTS.get(name) or LORA.get(name) or _of_built_in(name)).items():
            setattr(module, key, value)
        if name in STOOD_IN:
            host = current().extensions
            host.facts_of(host.owner_of(_importing_file())).stood_in.add(name.partition(".")[0])
        listed = PACKAGES.get(name) or _LORA_STUBS.get(name, "") or _STOOD_IN_STUBS.get(name, "")
        get = stubbed(name, listed, late=lambda part: _beside(name, part))
        module.__getattr__ = get  # type: ignore[method-assign]
        module.__doc__ = f"{name}, as far as this program has it."


def load_module(path: str | Path) -> ModuleType:
    """A file executed. One of A1111's built-in Lora, which extensions load by its path, is the module of that name here."""
    file = Path(path)
    if file.stem in LORA and not file.exists() and file.parent == Path(NAMES["extensions_builtin_dir"](), "Lora"):
        return import_module(file.stem)
    return load_script_file(file)


def _without_folder(fullname: str) -> str:
    """A module of the built-in Lora by the name that its own folder gives it: extensions also import it by the path from the program's folder."""
    return fullname.removeprefix("extensions-builtin.Lora.")


def _beside(name: str, part: str) -> Any:
    """A package's module; another of Lora's, which import each other."""
    found = f"{name}.{part}" if f"{name}.{part}" in PACKAGES else part if name in LORA and part in LORA else None
    return UNKNOWN if found is None else import_module(found)


def _of_built_in(fullname: str) -> dict[str, Any]:
    """What stands in a built-in script: its own objects, so that an axis that is appended there is offered."""
    module = built_in_module(fullname)
    return {} if module is None else {key: value for key, value in vars(module).items() if not (key.startswith("__") and key.endswith("__"))}


def _importing_file() -> str:
    """The file whose ``import`` is being carried out."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith("<frozen") and file != __file__:
            return file
        frame = frame.f_back
    return __file__


def install() -> None:
    """Put the finder behind all others. Doing it twice changes nothing."""
    if not any(isinstance(each, Finder) for each in sys.meta_path):
        sys.meta_path.append(Finder())

