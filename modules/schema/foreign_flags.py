"""Flags that Forge and SD.Next have and A1111 has not: what they are called here, or what to do instead. Whoever moves from there keeps the command line."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

SAME = {
    # Forge
    "--always-cpu": ("--use-cpu", "all"), "--always-low-vram": ("--medvram",), "--always-no-vram": ("--lowvram",), "--all-in-fp32": ("--no-half",), "--vae-in-fp32": ("--no-half-vae",),
    "--attention-pytorch": ("--opt-sdp-attention",), "--attention-split": ("--opt-split-attention",), "--attention-quad": ("--opt-sub-quad-attention",), "--gpu-device-id": ("--device-id",),
    "--sage": ("--use-sage-attention",), "--flash": ("--use-flash-attention",), "--model-ref": ("--models-dir",), "--text-encoder-dir": ("--text-encoder-dirs",),
    # SD.Next
    "--auth": ("--gradio-auth",), "--auth-file": ("--gradio-auth-path",), "--insecure": ("--enable-insecure-extension-access",), "--freeze": ("--freeze-settings",),
    "--cors-origins": ("--cors-allow-origins",), "--cors-regex": ("--cors-allow-origins-regex",), "--vae": ("--vae-path",), "--api-only": ("--nowebui",), "--docs": ("--api",),
    "--use-xformers": ("--xformers",), "--safe": ("--disable-extra-extensions",), "--skip-all": ("--skip-prepare-environment",), "--reinstall": ("--reinstall-torch",),
    "--ui-config": ("--ui-config-file",),
}  # fmt: skip
FOLDERS_OF_A1111 = {
    "--ckpt-dir": "models/Stable-diffusion", "--vae-dir": "models/VAE", "--lora-dir": "models/Lora", "--embeddings-dir": "embeddings",
    "--hypernetwork-dir": "models/hypernetworks", "--esrgan-models-path": "models/ESRGAN",
}  # fmt: skip
FOLDERS_OF_COMFY = {
    "--ckpt-dirs": ("checkpoints", "diffusion_models", "unet"), "--vae-dirs": ("vae",), "--lora-dirs": ("loras",), "--text-encoder-dirs": ("text_encoders", "clip"),
    "--embeddings-dir": ("embeddings",), "--esrgan-models-path": ("upscale_models",),
}  # fmt: skip
_MEMORY = "memory is shared out by itself, and --medvram or --lowvram ask for less of it. Delete it."
_TYPES = "number types are chosen by what the model and the device are; --no-half, --no-half-vae and --precision change them. Delete it."
_TORCH = "the PyTorch for this machine's device is chosen by itself. Delete it."
_INSTALLER = "it steered SD.Next's installer, which is not here. Delete it."
INSTEAD = {
    **dict.fromkeys(("--always-gpu", "--always-high-vram", "--always-normal-vram", "--always-offload-from-vram", "--cuda-malloc", "--cuda-stream", "--pin-shared-memory"), _MEMORY),
    **dict.fromkeys(("--all-in-fp16", "--vae-in-fp16", "--vae-in-bf16", "--vae-in-cpu", "--unet-in-fp16", "--unet-in-bf16", "--clip-in-fp16", "--clip-in-fp32"), _TYPES),
    **dict.fromkeys(("--unet-in-fp8-e4m3fn", "--unet-in-fp8-e5m2", "--clip-in-fp8-e4m3fn", "--clip-in-fp8-e5m2"), 'choose Settings, Optimizations, "FP8 weight".'),
    **dict.fromkeys(("--force-upcast-attention", "--disable-attention-upcast"), 'choose Settings, Stable Diffusion, "Attention in float32".'),
    **dict.fromkeys(("--directml", "--use-directml", "--use-zluda", "--use-cuda", "--use-rocm", "--use-nightly"), _TORCH),
    **dict.fromkeys(("--upgrade", "--update", "--reset", "--requirements", "--optional", "--uv", "--quick", "--skip-requirements", "--skip-extensions", "--skip-git", "--skip-torch", "--skip-env",
                     "--experimental", "--ignore", "--profile", "--debug"), _INSTALLER),
    "--forge-ref-comfy-yaml": "name the folders that stand in it by --ckpt-dirs, --lora-dirs, --vae-dirs and --text-encoder-dirs.",
    "--controlnet-dir": "put its files, or a link to the folder, into models/ControlNet.",
    "--controlnet-preprocessor-models-dir": "put its files, or a link to the folder, into models/ControlNetPreprocessor.",
    "--disable-xformers": "xformers is used with --xformers alone. Delete it.",
    "--use-openvino": 'choose Settings, Optimizations, "Compute the model with OpenVINO".',
    "--backend": "there is one for all models. Delete it.",
    "--locale": 'choose Settings, User interface, "Localization".',
    "--no-metadata": 'choose Settings, Infotext, "Write infotext into image files".',
    "--tls-selfsign": "name a key and a certificate by --tls-keyfile and --tls-certfile.",
    "--allowed-paths": "name each folder by a --gradio-allowed-path of its own.",
}  # fmt: skip
_WITH_VALUES = frozenset({"--backend", "--locale", "--allowed-paths", "--controlnet-dir", "--controlnet-preprocessor-models-dir", "--forge-ref-comfy-yaml"})
_REFERENCE = "--forge-ref-a1111-home"
_REFERENCE_OF_COMFY = "--forge-ref-comfy-home"


def translated(arguments: Sequence[str], known: Container[str]) -> tuple[list[str], tuple[str, ...]]:
    """``arguments`` in our words, and a sentence for each that has none. known: flags that mean something already, as those of extensions do."""
    found: list[str] = []
    said: dict[str, None] = {}
    for flag, given, values in _flags(arguments):
        if flag in known:
            found += [given, *values]
        elif flag in SAME:
            name, *fixed = SAME[flag]
            found += [name, *fixed, *_values(given, values)]
        elif flag in INSTEAD:
            said[f"{flag}: {INSTEAD[flag]}"] = None
            found += values if flag not in _WITH_VALUES else ()
        elif flag == _REFERENCE and _values(given, values):
            home = _values(given, values)[0].rstrip("/\\")
            found += [f"{name}={home}/{folder}" for name, folder in FOLDERS_OF_A1111.items()]
        elif flag == _REFERENCE_OF_COMFY and _values(given, values):
            home = _values(given, values)[0].rstrip("/\\")
            home = home if home.endswith("models") else f"{home}/models"  # people name either
            found[:0] = [f"{name}={home}/{folder}" for name, folders in FOLDERS_OF_COMFY.items() for folder in folders]  # first: what is named by itself wins
        else:
            found += [given, *values]
    return found, tuple(said)


def _flags(arguments: Sequence[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Each flag without its "=value", as it was given, and what follows it up to the next."""
    starts = [0, *(place for place, each in enumerate(arguments) if each.startswith("--") and place)]
    for start, end in zip(starts, [*starts[1:], len(arguments)], strict=True):
        if start < end:
            yield arguments[start].partition("=")[0], arguments[start], list(arguments[start + 1 : end])


def _values(given: str, values: list[str]) -> list[str]:
    _flag, has_value, value = given.partition("=")
    return [value, *values] if has_value else values
