"""LoRAs as other programs' JSON names them -> "<lora:name:strength>", as they stand in a prompt here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

MOST = 100  # of one picture
LORA = tuple[str, Any]  # name, strength
_WITH_NUMBER = re.compile(r"(lora_combined_|LoRA )\d+")
_STRENGTHS = ("weight", "strength", "strength_model")
_NAMES = ("modelFileName", "model_name", "name", "lora_name", "lora", "model", "label")  # the first that is there counts; each may be an object with a name in it


def with_loras(prompt: str, loras: Iterable[LORA]) -> str:
    """``prompt`` with each of ``loras`` behind it that it does not name itself."""
    named = prompt.lower()
    found: dict[str, str] = {}
    for name, strength in islice(loras, MOST):
        stem = plain_name(name)
        if stem and not re.search(r"[<>:]", stem) and f"<lora:{stem.lower()}" not in named:
            found.setdefault(stem, f"<lora:{stem}:{_strength(strength)}>")
    return " ".join((prompt, *found.values())).strip()


def plain_name(name: str) -> str:
    """A file's name without the folders and the ending that others write."""
    last = re.split(r"[/\\]", name.strip())[-1]
    stem, dot, ending = last.rpartition(".")
    return stem if dot and ending.lower() in ("safetensors", "ckpt", "sft", "pt") else last


def loras_of(values: Mapping[str, Any]) -> Iterator[LORA]:
    """Of InvokeAI, Fooocus and SwarmUI ("loras"), Draw Things ("lora"), Tensor.Art ("models"), Easy Diffusion, and Fooocus' lines of their own."""
    strengths = _list(values.get("loraweights"))
    for number, entry in enumerate((*_list(values.get("loras")), *_list(values.get("lora")))):
        if isinstance(entry, str):
            yield entry, strengths[number] if number < len(strengths) else 1
        else:
            yield from _of_entry(entry)
    for entry in _list(values.get("models")):
        if isinstance(entry, Mapping) and str(entry.get("type")).upper() == "LORA":
            yield from _of_entry(entry)
    names, strengths = _list(values.get("use_lora_model")), _list(values.get("lora_alpha"))
    yield from ((name, strength) for name, strength in zip(names, strengths, strict=False) if isinstance(name, str))
    for key, line in values.items():
        if _WITH_NUMBER.fullmatch(key) and isinstance(line, str):
            name, _colon, strength = line.rpartition(" : ")
            yield name, strength


def loras_of_node(inputs: Mapping[str, Any]) -> Iterator[LORA]:
    """Of a node of ComfyUI that loads one LoRA, or has several in a list that each can be switched off."""
    if isinstance(inputs.get("lora_name"), str):
        yield from _of_entry(inputs)
    for entry in inputs.values():
        if isinstance(entry, Mapping) and "lora" in entry and entry.get("on", True):
            yield from _of_entry(entry)


def _of_entry(entry: Any) -> Iterator[LORA]:
    if isinstance(entry, list) and len(entry) >= 2 and isinstance(entry[0], str):
        yield entry[0], entry[1]
    elif isinstance(entry, Mapping) and (name := _name(entry)):
        yield name, next((entry[key] for key in _STRENGTHS if key in entry), 1)


def _name(entry: Mapping[str, Any]) -> str:
    value = next((entry[key] for key in _NAMES if entry.get(key)), None)
    if isinstance(value, Mapping):
        value = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
    return value if isinstance(value, str) and value.lower() != "none" else ""


def _list(value: Any) -> list[Any]:
    """Easy Diffusion writes lists as text, and one thing without a list."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value.replace("'", '"'))
        except (ValueError, RecursionError):
            return []
    return value if isinstance(value, list) else [value] if isinstance(value, str | float | int) and value != "" else []


def _strength(value: Any) -> str:
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError, OverflowError):
        return "1"
