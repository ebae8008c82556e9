"""A1111's file name patterns: ``[seed]-[prompt_spaces]``, ``[datetime<%H%M><UTC>]`` and 32 more tokens."""
from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from PIL import Image

MAX_NAME_BYTES = 255
_RESERVED = {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
_UNSAFE = re.compile(r'[#<>:"/\\|?*\x00-\x1f\x7f\ud800-\udfff]')
_TOKEN = re.compile(r"\[([^\[\]]+)\]")
_BETWEEN_WORDS = re.compile(r"[\s" + re.escape(string.punctuation.replace("\\", "")) + r"]+")     # A1111 takes the backslash of "\\(" for a letter


@dataclass(frozen=True, kw_only=True)
class NameFacts:
    """What a name can be made from. Empty or None means that it is not known; ``strength`` None: no denoising strength applies.

    asked_prompt and negative_prompt are as typed, prompt is with its styles. batch_index and iteration count from 0; seeds holds those of the whole job; a seed may be a word where an extension says so. now and job_started are local times.
    """

    basename: str = ""
    prompt: str = ""
    asked_prompt: str = ""
    negative_prompt: str = ""
    prompt_without_styles: str = ""
    styles: tuple[str, ...] = ()
    seed: int | str | None = None
    seeds: tuple[int, ...] = ()
    steps: int = 0
    guidance_scale: float = 0.0
    sampler: str = ""
    schedule: str = ""
    model_name: str = ""
    model_hash: str = ""
    vae_stem: str = ""
    batch_size: int = 1
    batch_count: int = 1
    batch_index: int = 0
    iteration: int = 0
    strength: float | None = None
    clip_skip: int = 1
    user: str = ""
    now: datetime = field(default_factory=datetime.now)
    job_started: datetime = field(default_factory=datetime.now)
    max_prompt_words: int = 8
    max_part_length: int = 128
    for_zip: bool = False


class _Nothing:
    """A token that also takes the text before it away."""


NOTHING = _Nothing()
Value = str | int | float | _Nothing | None


def apply_pattern(pattern: str, facts: NameFacts, image: Image.Image | None = None) -> str:
    """``pattern`` with its tokens replaced. An unknown token stays as it is written. The text between tokens is not touched."""
    out, end = "", 0
    for found in _TOKEN.finditer(pattern):
        before, end = pattern[end : found.start()], found.end()
        name, arguments = _split(found.group(1))
        make = _added.get(name.lower()) or _TOKENS.get(name.lower())
        value = make(facts, image, arguments) if make else None
        if isinstance(value, _Nothing):
            continue
        out += before + (found.group(0) if value is None else str(value))
    return out + pattern[end:]


def add_token(name: str, make: _Maker | None) -> None:
    """From now on ``[name]`` is what ``make`` gives; None: what it was before."""
    _added.pop(name.lower(), None)
    if make is not None:
        _added[name.lower()] = make


def clean_part(text: str, *, replace_spaces: bool = True, limit: int = 128) -> str:
    """``text`` as a piece of a file name: characters that some system refuses become ``_``, at most ``limit`` characters."""
    if replace_spaces:
        text = text.replace(" ", "_")
    return _UNSAFE.sub("_", text).lstrip(" ")[:limit].rstrip(". ")


def clean_folder(text: str, *, replace_spaces: bool = False) -> str:
    """``clean_part`` as a folder of that name on every system: at most 255 bytes, no device's name, not a user's home ("~"); "" where nothing is left."""
    part = clean_part(text, replace_spaces=replace_spaces)
    if part.startswith("~") or _is_reserved(part):
        part = "_" + part
    return part.encode("utf-8")[:MAX_NAME_BYTES].decode("utf-8", errors="ignore").rstrip(". ")


def folders_named(text: str) -> str:
    """Subfolders from a pattern: slashes part them, and each is one of a plain name."""
    return "/".join(clean_folder(part) or "_" for part in re.split(r"[\\/]+", text) if part.strip())


def fit_name(stem: str, extension: str) -> str:
    """``stem.extension`` as a name that every file system takes: cut to 255 bytes, no reserved device name, never hidden or empty."""
    stem = _UNSAFE.sub("_", stem).lstrip(". ")
    room = MAX_NAME_BYTES - len(extension.encode()) - 1
    stem = stem.encode("utf-8")[:room].decode("utf-8", errors="ignore").rstrip(". ") or "image"
    if _is_reserved(stem):
        stem = "_" + stem[: room - 1]
    return f"{stem}.{extension}"


def _is_reserved(name: str) -> bool:
    return name.split(".")[0].rstrip(" ").lower() in _RESERVED


def _split(token: str) -> tuple[str, list[str]]:
    """Name and arguments of "name<one><two>"."""
    arguments: list[str] = []
    end = len(token)
    while end and token[end - 1] == ">" and (start := token.rfind("<", 0, end)) >= 0:
        arguments.append(token[start + 1 : end - 1])
        end = start
    return token[:end], arguments[::-1]


def _digest(text: str | bytes, arguments: list[str], usual: int = 8) -> str:
    data = text.encode("utf-8", errors="replace") if isinstance(text, str) else text
    length = int(arguments[0]) if arguments and arguments[0].isdecimal() and len(arguments[0]) < 4 else usual
    return hashlib.sha256(data).hexdigest()[: length or usual]


def _datetime(facts: NameFacts, arguments: list[str]) -> str:
    zone: tzinfo | None = None
    if len(arguments) > 1:
        try:
            zone = ZoneInfo(arguments[1])
        except (KeyError, ValueError, OSError):
            zone = None
    moment = facts.now.astimezone(zone) if zone else facts.now
    try:
        text = moment.strftime(arguments[0] if arguments and arguments[0] else "%Y%m%d%H%M%S")
    except (ValueError, UnicodeError):
        text = moment.strftime("%Y%m%d%H%M%S")
    return clean_part(text, replace_spaces=False, limit=facts.max_part_length)


def _has_prompt(facts: NameFacts, arguments: list[str]) -> Value:
    prompt, out = facts.prompt.lower(), ""
    for argument in arguments:
        wanted, otherwise = [*argument.split("|"), ""][:2]
        out += wanted.lower() if wanted.lower() in prompt else otherwise
    return clean_part(out, limit=facts.max_part_length)


def _words(facts: NameFacts) -> str:
    words = [word for word in _BETWEEN_WORDS.split(facts.prompt[:20_000]) if word] or ["empty"]
    return _clean(facts, " ".join(words[: facts.max_prompt_words]), spaces=True)


def _clean(facts: NameFacts, text: str, *, spaces: bool = False) -> str:
    return clean_part(text, replace_spaces=not spaces, limit=facts.max_part_length)


def _size(image: Image.Image | None, axis: int) -> Value:
    return image.size[axis] if image is not None else None


def _generation_number(facts: NameFacts) -> Value:
    if facts.for_zip or facts.batch_count * facts.batch_size <= 1:
        return NOTHING
    return facts.iteration * facts.batch_size + facts.batch_index + 1


def _without_styles(facts: NameFacts) -> str:
    return _clean(facts, facts.prompt_without_styles or facts.prompt, spaces=True)


_Maker = Callable[[NameFacts, Image.Image | None, list[str]], Value]
_TOKENS: Mapping[str, _Maker] = {
    "basename": lambda f, i, a: f.basename or "img",
    "seed": lambda f, i, a: "" if f.seed is None else f.seed,
    "seed_first": lambda f, i, a: f.seed if f.batch_size == 1 or not f.seeds else f.seeds[0],
    "seed_last": lambda f, i, a: NOTHING if f.batch_size == 1 or not f.seeds else f.seeds[-1],
    "steps": lambda f, i, a: f.steps,
    "cfg": lambda f, i, a: f.guidance_scale,
    "sampler": lambda f, i, a: _clean(f, f.sampler, spaces=True),
    "scheduler": lambda f, i, a: _clean(f, f.schedule.capitalize(), spaces=True),         # "Sgm uniform", as in A1111's names
    "sampler_scheduler": lambda f, i, a: _clean(f, f"{f.sampler} {f.schedule.capitalize()}".strip(), spaces=True),
    "width": lambda f, i, a: _size(i, 0),
    "height": lambda f, i, a: _size(i, 1),
    "styles": lambda f, i, a: _clean(f, ", ".join(style for style in f.styles if style != "None") or "None", spaces=True),
    "model_name": lambda f, i, a: _clean(f, f.model_name, spaces=True),
    "model_hash": lambda f, i, a: _clean(f, f.model_hash),
    "vae_filename": lambda f, i, a: _clean(f, f.vae_stem or "NoneType", spaces=True),
    "date": lambda f, i, a: f.now.strftime("%Y-%m-%d"),
    "datetime": lambda f, i, a: _datetime(f, a),
    "job_timestamp": lambda f, i, a: f.job_started.strftime("%Y%m%d%H%M%S"),
    "prompt": lambda f, i, a: _clean(f, f.prompt),
    "prompt_spaces": lambda f, i, a: _clean(f, f.prompt, spaces=True),
    "prompt_no_styles": lambda f, i, a: _without_styles(f),
    "prompt_words": lambda f, i, a: _words(f),
    "prompt_hash": lambda f, i, a: _digest(f.prompt, a),
    "negative_prompt_hash": lambda f, i, a: _digest(f.negative_prompt, a),
    "full_prompt_hash": lambda f, i, a: _digest(f"{f.asked_prompt} {f.negative_prompt}", a),
    "image_hash": lambda f, i, a: None if i is None else _digest(i.tobytes(), a, usual=64),
    "batch_number": lambda f, i, a: NOTHING if f.batch_size == 1 or f.for_zip else f.batch_index + 1,
    "batch_size": lambda f, i, a: f.batch_size,
    "generation_number": lambda f, i, a: _generation_number(f),
    "hasprompt": lambda f, i, a: _has_prompt(f, a),
    "clip_skip": lambda f, i, a: f.clip_skip,
    "denoising": lambda f, i, a: f.strength or NOTHING,
    "user": lambda f, i, a: _clean(f, f.user),
    "none": lambda f, i, a: "",
}
TOKEN_NAMES = tuple(_TOKENS)
_added: dict[str, _Maker] = {}                      # by extensions, for as long as the program runs
