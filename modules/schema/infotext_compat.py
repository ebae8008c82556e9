"""What a "parameters" text leaves unsaid, and what older ones said differently: tables and the rules for them."""

from __future__ import annotations

import math
import re

from modules.schema.infotext_foreign_loras import with_loras
from modules.schema.infotext_samplers import schedule_label

# What A1111 takes for a key that is missing, because it is written only when it differs.
DEFAULTS = {
    "Clip skip": "1",
    "Hires resize-1": "0",
    "Hires resize-2": "0",
    "Hires sampler": "Use same sampler",
    "Hires schedule type": "Use same scheduler",
    "Hires checkpoint": "Use same checkpoint",
    "Hires prompt": "",
    "Hires negative prompt": "",
    "Mask mode": "Inpaint masked",
    "Masked content": "original",
    "Inpaint area": "Whole picture",
    "Masked area padding": "32",
    "RNG": "GPU",
    "Schedule type": "Automatic",
    "Schedule max sigma": "0",
    "Schedule min sigma": "0",
    "Schedule rho": "0",
    "VAE Encoder": "Full",
    "VAE Decoder": "Full",
    "FP8 weight": "Disable",
    "Refiner switch by sampling steps": "False",
}

# Keys that older versions and other programs write, and what they are called here.
OLD_KEYS = {
    "Guidance scale": "CFG scale",
    "CFG": "CFG scale",
    "Negative Guidance minimum sigma": "NGMS",
    "Eta noise seed delta": "ENSD",
    "Always discard next-to-last sigma": "Discard penultimate sigma",
    "Beta schedule alpha": "Beta scheduler alpha",
    "Beta schedule beta": "Beta scheduler beta",
    "Schedule": "Schedule type",
    "Scheduler": "Schedule type",
    "Hires scheduler": "Hires schedule type",
    "RNG Source": "RNG",
    "Sampling method": "Sampler",
    "Sampling steps": "Steps",
    "Variation strength": "Variation seed strength",
    "VAE Hash": "VAE hash",
    "Hires scale": "Hires upscale",  # SD.Next's, as the next ones
    "Hires strength": "Denoising strength",
    "Hires fixed-1": "Hires resize-1",
    "Hires fixed-2": "Hires resize-2",
}

PROMPTS = ("Prompt", "Negative prompt")

# Spelt with other capitals elsewhere ("Cfg scale", "cfg scale").
KNOWN_KEYS = ("Steps", "Sampler", "CFG scale", "Seed", "Size", "Size-1", "Size-2", "Model", "Model hash", "VAE", "VAE hash")
BY_FOLDED = {key.casefold(): key for key in (*KNOWN_KEYS, *DEFAULTS)} | {old.casefold(): new for old, new in OLD_KEYS.items()}
NEW_KEYS = frozenset(BY_FOLDED.values())
SCHEDULE_KEYS = ("Schedule type", "Hires schedule type")  # Fooocus writes "karras"

FIRST_PASS_AREA = 512 * 512  # pixels; what A1111 took for a first pass of size 0x0


def canonical(named: dict[str, str]) -> dict[str, str]:
    """``named`` with old and differently spelt keys renamed; a key already there under its own name wins. "VAE: , " says nothing."""
    result: dict[str, str] = {}
    for key, value in named.items():
        if not value and key not in PROMPTS:
            continue
        name = BY_FOLDED.get(key.casefold(), key) if key not in NEW_KEYS else key
        if name == key or name not in named:
            result[name] = schedule_label(value) or value if name in SCHEDULE_KEYS else value
    return result


def fill_defaults(named: dict[str, str]) -> None:
    """Add what ``named`` leaves unsaid, as A1111 does on paste."""
    _first_pass_size(named)
    for key, value in DEFAULTS.items():
        named.setdefault(key, value)
    if named["FP8 weight"] != "Disable":
        named.setdefault("Cache FP16 weight for LoRA", "False")
    if "Emphasis" not in named and uses_emphasis(named.get("Prompt", "") + named.get("Negative prompt", "")):
        named["Emphasis"] = "Original"
    if hypernet := named.get("Hypernet"):
        named["Prompt"] = f"{named.get('Prompt', '')}<hypernet:{hypernet}:{named.get('Hypernet strength', '1.0')}>"
    if weights := named.get("Lora weights"):  # Fooocus': its prompts do not name them
        named["Prompt"] = with_loras(named.get("Prompt", ""), ((name.strip(), strength) for name, _colon, strength in (part.rpartition(": ") for part in weights.split(","))))


def by_version(named: dict[str, str]) -> None:
    """Switch on the behaviour of the A1111 version that wrote the text, where later ones draw another picture.

    Versions of other programs are no statement about A1111's behaviour and change nothing.
    """
    version = a1111_version(named.get("Version", ""))
    if version is None:
        return
    if version < (1, 6, 0, 0) and "[" in named.get("Prompt", ""):
        named["Old prompt editing timelines"] = "True"
    if version < (1, 6, 0, 0) and named.get("Sampler") in ("DDIM", "PLMS"):
        named["Pad conds v0"] = "True"
    if version < (1, 7, 0, 225):
        named["Downcast alphas_cumprod"] = "True"
    if version < (1, 8, 0, 0) and named.get("Refiner"):
        named["Refiner switch by sampling steps"] = "True"


def a1111_version(text: str) -> tuple[int, int, int, int] | None:
    """("v1.7.0-225-gabc") -> (1, 7, 0, 225): release and commits after it; None for anything else."""
    found = re.fullmatch(r"v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:-(\d{1,6})(?:-g?[0-9a-f]{1,40})?|-RC)?", text.strip()[:80])
    if found is None:
        return None
    major, minor, patch, commits = (int(part or 0) for part in found.groups())
    return major, minor, patch, commits


def uses_emphasis(text: str) -> bool:
    """Whether a bracket that is not escaped changes weights somewhere in ``text``."""
    escaped = False
    for character in text:
        if character in "([" and not escaped:
            return True
        escaped = character == "\\" and not escaped
    return False


def _first_pass_size(named: dict[str, str]) -> None:
    """Before hires fix had its own size, "Size" was the final one and "First pass size" the first one."""
    first = _pair(named, "First pass size")
    final = _pair(named, "Size")
    if first is None or final is None or 0 in final:
        return
    if 0 in first:
        scale = math.sqrt(FIRST_PASS_AREA / (final[0] * final[1]))
        first = (math.ceil(scale * final[0] / 64) * 64, math.ceil(scale * final[1] / 64) * 64)
    named["Size-1"], named["Size-2"] = str(first[0]), str(first[1])
    named["Hires resize-1"], named["Hires resize-2"] = str(final[0]), str(final[1])


def _pair(named: dict[str, str], key: str) -> tuple[int, int] | None:
    parts = (named.get(f"{key}-1", ""), named.get(f"{key}-2", ""))
    if not all(part.isdecimal() and len(part) < 10 for part in parts):
        return None
    return int(parts[0]), int(parts[1])
