"""LoRAs of a pasted prompt under the names that their files have here. Files are renamed often; the text names their hashes, too."""

from __future__ import annotations

import re
from collections.abc import Mapping

from modules.application.app import App
from modules.engine.extra_networks import LORA_KINDS

_TAG = re.compile(rf"<({'|'.join(LORA_KINDS)}):([^:>]+)")
_PROMPTS = ("Prompt", "Hires prompt")
_ADD_NET = "AddNet Model "
_ITS_HASH = re.compile(r"\s*\([0-9a-fA-F]+\)$")


def with_loras_of_add_net(texts: Mapping[str, str]) -> dict[str, str]:
    """``texts`` with the LoRAs that kohya's Additional Networks wrote beside the prompt as tags in it, as A1111 reads them where that extension is not there."""
    tags = ""
    for key, model in texts.items():
        number = key.removeprefix(_ADD_NET)
        if key.startswith(_ADD_NET) and texts.get(f"AddNet Module {number}") == "LoRA" and (name := _ITS_HASH.sub("", model)) not in ("", "None"):
            tags += f"<lora:{name}:{texts.get(f'AddNet Weight A {number}', '1.0')}>"
    return {**texts, "Prompt": f"{texts.get('Prompt', '')}\n{tags}"} if tags else dict(texts)


def with_loras_of_here(app: App, texts: Mapping[str, str]) -> dict[str, str]:
    """``texts`` by infotext key, with each LoRA's name replaced where its hash is that of a file with another name."""
    pairs = (each.rpartition(":") for each in texts.get("Lora hashes", "").split(","))
    hashes = {name.strip(): digits.strip() for name, _, digits in pairs}

    def tag(found: re.Match[str]) -> str:
        written = found[2].replace(",", "")
        return f"<{found[1]}:{_name_of_here(app, found[2], hashes.get(written, ''))}"

    return {key: _TAG.sub(tag, text) if key in _PROMPTS else text for key, text in texts.items()}


def _name_of_here(app: App, name: str, digits: str) -> str:
    file = app.loras.find_by_hash(digits)
    if file is None:
        return name
    own = [file.stem] if app.settings.get("lora_preferred_name") == "Filename" else [app.loras.alias(file), file.stem]
    for each in (name, *own):
        found = app.loras.find(each)
        if found is not None and found.path == file.path:
            return each
    return name
