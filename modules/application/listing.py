"""What there is to choose from, as plain dicts in A1111's shapes, for both front doors."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from modules.application.app import App
from modules.application.paths import styles_files
from modules.engine.prompt_chunks import EmbeddingFinder
from modules.engine.prompt_tokens import prompt_tokenizer
from modules.engine.sampler_contract import SamplerSpec
from modules.engine.sampler_registry import samplers as all_samplers
from modules.engine.sampler_registry import schedules as all_schedules
from modules.engine.styles import read_styles
from modules.engine.upscale import LATENT_UPSCALERS
from modules.extension_host.discover import find_extensions, read_switches
from modules.extension_host.registry import HOUSE
from modules.files.git_facts import git_facts
from modules.library.model_file import ModelFile
from modules.library.upscaler_names import REAL_ESRGAN, published_upscaler
from modules.schema.errors import CannotLoad, NoCheckpoint


def samplers() -> list[dict[str, Any]]:
    """Every sampler: name, aliases, options (texts)."""
    return [{"name": spec.name, "aliases": list(spec.aliases), "options": _sampler_options(spec)} for spec in all_samplers()]


def _sampler_options(spec: SamplerSpec) -> dict[str, str]:
    options = {
        "scheduler": spec.default_schedule.lower(),
        "discard_next_to_last_sigma": "True" if spec.discards_penultimate else "",
        "uses_ensd": "True" if spec.eta_option == "ancestral" and not spec.brownian else "",
        "second_order": "True" if spec.order > 1 else "",
        "brownian_noise": "True" if spec.brownian else "",
        "solver_type": "heun" if spec.name == "DPM++ 2M SDE Heun" else "",
    }
    return {key: value for key, value in options.items() if value}


def schedulers() -> list[dict[str, Any]]:
    """Every schedule: name, label, aliases, default_rho (-1 where rho has no meaning), need_inner_model."""
    return [
        {
            "name": spec.name,
            "label": spec.label,
            "aliases": list(spec.aliases) or None,
            "default_rho": -1.0 if spec.default_rho is None else spec.default_rho,
            "need_inner_model": spec.needs_levels,
        }
        for spec in all_schedules()
    ]


def sd_models(app: App) -> list[dict[str, Any]]:
    """Every checkpoint: title, model_name, hash, sha256, filename, config (a yaml beside it)."""
    return [
        {
            "title": model.title,
            "model_name": model.model_name,
            "hash": model.short_hash,
            "sha256": model.sha256,
            "filename": str(model.path),
            "config": _config_of(model),
        }
        for model in app.catalogue.checkpoints()
    ]


def sd_vaes(app: App) -> list[dict[str, Any]]:
    """Every VAE file: model_name, filename."""
    return [{"model_name": model.path.name, "filename": str(model.path)} for model in app.catalogue.vaes()]


def prompt_styles(app: App) -> list[dict[str, Any]]:
    """Every style: name, prompt, negative_prompt."""
    styles = read_styles(styles_files(app.paths)).values()
    return [{"name": style.name, "prompt": style.prompt, "negative_prompt": style.negative_prompt} for style in styles]


def loras(app: App) -> list[dict[str, Any]]:
    """Every LoRA: name, alias, path, metadata."""
    return [
        {"name": file.stem, "alias": app.loras.alias(file), "path": str(file.path), "metadata": _metadata(app, file)}
        for file in app.catalogue.loras()
    ]


def hypernetworks(app: App) -> list[dict[str, Any]]:
    """Every hypernetwork: name, path. Of files with the same name the last one counts, as in A1111."""
    return list({file.stem: {"name": file.stem, "path": str(file.path)} for file in app.catalogue.hypernetworks() if file.stem != "None"}.values())


def _metadata(app: App, file: ModelFile) -> dict[str, str]:
    try:
        return app.catalogue.metadata_of(file)
    except CannotLoad:
        return {}                       # damaged: said when a prompt names it


def embeddings(app: App) -> dict[str, dict[str, Any]]:
    """Every embedding, those that fit the loaded checkpoint apart from those that do not. Without one all are listed as loaded."""
    widths = _text_widths(app)
    found: dict[str, dict[str, Any]] = {"loaded": {}, "skipped": {}}
    for file in app.catalogue.embeddings():
        try:
            embedding = app.embeddings.load(file)
        except CannotLoad:
            continue
        if embedding is None:
            continue                    # a preview picture
        item = {"step": embedding.step, "sd_checkpoint": None, "sd_checkpoint_name": embedding.trained_on,
                "shape": sum(embedding.widths), "vectors": embedding.vector_count}
        found["loaded" if widths in (None, embedding.widths) else "skipped"][embedding.name] = item
    return found


def embedding_finder(app: App) -> EmbeddingFinder | None:
    """Finds those that the loaded checkpoint takes by the tokens of their names; None when none is loaded."""
    widths = _text_widths(app)
    return None if widths is None else app.embeddings.finder(prompt_tokenizer().tokenize, widths)


def _text_widths(app: App) -> tuple[int, ...] | None:
    """Of each text encoder of the loaded checkpoint that embeddings are made for; None when none is loaded."""
    components = app.checkpoints.components
    if components is None:
        return None
    return tuple(encoder.width for encoder in components.text_encoders if encoder.spec.is_clip)


def upscalers(app: App) -> list[dict[str, Any]]:
    """Every upscaler: name, model_name, model_path, model_url, scale."""
    paths = {each.name: each.path for each in app.catalogue.upscalers()}
    return [_upscaler(name, paths.get(name)) for name in app.upscalers.names()]


def _upscaler(name: str, path: Path | None) -> dict[str, Any]:
    return {
        "name": name,
        "model_name": path.stem if path else None,
        "model_path": str(path) if path else None,
        "model_url": None,
        "scale": float(_scale(name)),
    }


def _scale(name: str) -> int:
    """As the name says it ("4x-UltraSharp", "DAT x2"); A1111's 4 where it says nothing."""
    published = published_upscaler(name)
    found = re.search(r"(?<!\d)([1-9])x|x([1-9])(?!\d)", name, re.IGNORECASE)
    return published.scale if published else int(found[1] or found[2]) if found else 4


def realesrgan_models(app: App) -> list[dict[str, Any]]:
    """The Real-ESRGAN models there are in the world: name, path (or where it is to be had), scale."""
    paths = {each.name: each.path for each in app.catalogue.upscalers()}
    return [{"name": each.name, "path": str(paths.get(each.name, each.address)), "scale": each.scale} for each in REAL_ESRGAN]


def face_restorers(app: App) -> list[dict[str, Any]]:
    """The face restorers: name, cmd_dir (which A1111 leaves empty)."""
    return [{"name": name, "cmd_dir": None} for name in app.faces.names()]


def latent_upscale_modes() -> list[dict[str, Any]]:
    """The ways to enlarge a latent."""
    return [{"name": each.name} for each in LATENT_UPSCALERS]


def extensions(app: App) -> list[dict[str, Any]]:
    """Extensions that were cloned from somewhere, as A1111 lists them: those without a remote are left out."""
    switches = read_switches(app.paths.config_file, disable_all=bool(app.flags.disable_all_extensions), disable_extra=app.flags.disable_extra_extensions)
    found = []
    for folder in dict.fromkeys((app.paths.script_dir / "extensions", app.paths.data_dir / "extensions")):
        for each in find_extensions(folder, switches):
            facts = git_facts(each.path)
            if facts is not None:
                found.append({"name": each.name, "remote": facts.remote, "branch": facts.branch, "commit_hash": facts.commit,
                              "version": facts.commit[:8], "commit_date": str(facts.commit_date), "enabled": each.is_enabled})
    return found


def notices(app: App) -> list[str]:
    """What the user should know now: trouble at the start, and a missing checkpoint."""
    found = list(app.notices)
    if not app.catalogue.checkpoints():
        found.append(str(NoCheckpoint(app.catalogue.roots.checkpoint_folders)))
    if troubled := sorted({each.owner for each in app.extensions.troubles.found} - {HOUSE}):
        found.append(f"Something in these extensions failed or is missing: {', '.join(troubled)}. The Extensions tab says what and why.")
    return found


def _config_of(model: ModelFile) -> str | None:
    beside = model.path.with_suffix(".yaml")
    return str(beside) if beside.is_file() else None
