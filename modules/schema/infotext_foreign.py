"""What other programs write about a picture, mostly as JSON, -> the "parameters" text: prompts, steps, sampler, guidance, seed, size and model.

A table says where each program keeps them. What is none of these is left as it is: nothing here fails.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from modules.schema.infotext_foreign_loras import LORA, loras_of, loras_of_node, plain_name, with_loras
from modules.schema.infotext_samplers import sampler_and_schedule, schedule_label
from modules.schema.infotext_write import write_infotext

LONGEST = 4_194_304  # characters; the graph of a large workflow has a tenth of it
FEWEST_VALUES = 3  # a prompt with fewer is no picture's text
MOST_NODES = 2000  # of a graph, that are looked at for one value
NUMBER = re.compile(r"-?\d+(\.\d+)?")
TWO_NUMBERS = re.compile(r"\(?\s*(\d{1,9})\s*[,x×*]\s*(\d{1,9})\s*\)?")
HASH = re.compile(r"[0-9a-fA-F]{10}")
OPTION = re.compile(r"-(\w)\s*(\S+)")

Values = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Words:
    """Where one program's object keeps each value: names, the first that is there counts; "a.b" is b of the object a.

    inside: the object that holds them all, which may be a text of JSON; marks: names that only this program's objects have together.
    """

    marks: tuple[str, ...]
    inside: str = ""
    prompt: tuple[str, ...] = ("prompt",)
    negative: tuple[str, ...] = ("negative_prompt",)
    steps: tuple[str, ...] = ("steps",)
    sampler: tuple[str, ...] = ("sampler",)
    schedule: tuple[str, ...] = ("scheduler",)
    guidance: tuple[str, ...] = ()
    seed: tuple[str, ...] = ("seed",)
    size: tuple[str, ...] = ("width", "height")  # two sides, or one text with both
    model: tuple[str, ...] = ("model",)
    model_hash: tuple[str, ...] = ()
    clip_skip: tuple[str, ...] = ()
    negative_in_brackets: bool = False


PROGRAMS: tuple[tuple[str, Words], ...] = (
    ("SwarmUI", Words(marks=("prompt",), inside="sui_image_params", negative=("negativeprompt",), guidance=("cfgscale",), clip_skip=("clipstopatlayer",))),
    ("InvokeAI", Words(marks=("positive_prompt", "seed"), prompt=("positive_prompt",), sampler=("scheduler",), schedule=(), guidance=("cfg_scale",),
                       model=("model.name", "model.model_name"))),
    ("InvokeAI 2", Words(marks=("prompt", "seed", "cfg_scale"), inside="image", negative=(), guidance=("cfg_scale",), negative_in_brackets=True)),
    ("Fooocus", Words(marks=("prompt", "guidance_scale", "resolution"), guidance=("guidance_scale",), size=("resolution",), model=("base_model",),
                      model_hash=("base_model_hash",), clip_skip=("clip_skip",))),
    ("Fooocus' log", Words(marks=("Prompt", "Guidance Scale", "Resolution"), prompt=("Prompt",), negative=("Negative Prompt",), steps=("Steps",), sampler=("Sampler",),
                           schedule=("Scheduler",), guidance=("Guidance Scale",), seed=("Seed",), size=("Resolution",), model=("Base Model",),
                           clip_skip=("CLIP Skip",))),
    ("Easy Diffusion", Words(marks=("prompt", "num_inference_steps", "guidance_scale"), steps=("num_inference_steps",), sampler=("sampler_name",), schedule=("scheduler_name",),
                             guidance=("guidance_scale",), model=("use_stable_diffusion_model",))),
    ("Easy Diffusion, labels", Words(marks=("Prompt", "Guidance Scale", "Width"), prompt=("Prompt",), negative=("Negative Prompt",), steps=("Steps",), sampler=("Sampler",),
                                     schedule=(), guidance=("Guidance Scale",), seed=("Seed",), size=("Width", "Height"), model=("Stable Diffusion model",))),
    ("Draw Things", Words(marks=("c", "uc", "scale"), prompt=("c",), negative=("uc",), schedule=(), guidance=("scale",), size=("size",))),
    ("Civitai", Words(marks=("prompt", "cfgScale"), inside="extraMetadata", negative=("negativePrompt",), schedule=(), guidance=("cfgScale",), clip_skip=("clipSkip",))),
    ("Tensor.Art", Words(marks=("prompt", "samplerName"), inside="generation_data", negative=("negativePrompt",), sampler=("samplerName",), schedule=("scheduler",),
                         guidance=("cfgScale",), model=("baseModel.modelFileName", "baseModel.label"), model_hash=("baseModel.hash",), clip_skip=("clipSkip",))),
)  # fmt: skip


def as_infotext(text: str) -> str:
    """``text`` in A1111's form where it is another program's JSON; any other text as it is."""
    if not text.lstrip().startswith("{"):
        return text
    found = _object(text)
    return _of_object(found) or _of_graph(_object((found or {}).get("prompt")), {}) or text


def infotext_of_texts(texts: Values, size: tuple[int, int]) -> str | None:
    """The text for a picture of ``size`` that carries no "parameters" but other programs' ``texts``, by their keys; None when they are not known."""
    drawn = {"width": size[0], "height": size[1]}
    for key in ("invokeai_metadata", "sd-metadata"):
        if text := _of_object(_object(texts.get(key))):
            return text
    if "Dream" in texts:
        return _of_dream(str(texts["Dream"]))
    if text := _of_object(_comment_of_xmp(texts)) or _of_object(texts):
        return text
    return _of_graph(_object(texts.get("prompt")), drawn)


def _of_object(found: Values | None) -> str | None:
    if found is None:
        return None
    for _program, words in PROGRAMS:
        values = _object(found.get(words.inside)) if words.inside else found
        if values is not None and all(mark in values for mark in words.marks) and (text := _written(values, words)):
            return text
    return _of_graph(found, {})


def _written(values: Values, words: Words) -> str | None:
    prompt = _prompt(_first(values, words.prompt))
    negative = _prompt(_first(values, words.negative))
    if words.negative_in_brackets:
        prompt, negative = _parted(prompt)
    return _text(
        prompt, negative, steps=_first(values, words.steps), sampler=_first(values, words.sampler), schedule=_first(values, words.schedule),
        guidance=_first(values, words.guidance), seed=_first(values, words.seed), model=_first(values, words.model),
        size=_size(*map(values.get, words.size)), loras=loras_of(values), model_hash=_first(values, words.model_hash), clip_skip=_first(values, words.clip_skip),
    )  # fmt: skip


def _text(
    prompt: str, negative: str, *, steps: Any, sampler: Any, schedule: Any, guidance: Any, seed: Any, size: str | None, model: Any, loras: Iterable[LORA] = (),
    model_hash: Any = None, clip_skip: Any = None,
) -> str | None:
    """The text, or None where too little is known."""
    name, label = sampler_and_schedule(sampler if isinstance(sampler, str) else "")
    label = schedule_label(schedule if isinstance(schedule, str) else "") or label
    fields = {
        "Steps": _number(steps), "Sampler": name or None, "Schedule type": label or None, "CFG scale": _number(guidance), "Seed": _number(seed),
        "Size": size, "Model": _model(model),
    }  # fmt: skip
    known = [value for value in fields.values() if value]
    layers = (_number(clip_skip) or "1").removeprefix("-")  # ComfyUI and SwarmUI count from the end: -2
    more = {"Model hash": model_hash.lower() if isinstance(model_hash, str) and HASH.fullmatch(model_hash) else None, "Clip skip": layers if layers != "1" else None}
    return write_infotext(with_loras(prompt, loras), negative, {**fields, **more}) if (prompt or negative) and len(known) >= FEWEST_VALUES else None


def _first(values: Values, names: tuple[str, ...]) -> Any:
    for name in names:
        found: Any = values
        for part in name.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if found is not None:
            return found
    return None


def _prompt(value: Any) -> str:
    """InvokeAI had a list of prompts with weights; what has no text is none."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        value = value[0].get("prompt")
    return value.replace("\r\n", "\n").strip() if isinstance(value, str) else ""


def _parted(prompt: str) -> tuple[str, str]:
    """The prompt, and what stands in its last square brackets: what was not wished."""
    start, end = prompt.rfind("["), prompt.rfind("]")
    return ((prompt[:start] + prompt[end + 1 :]).strip(), prompt[start + 1 : end].strip()) if 0 <= start < end else (prompt, "")


def _number(value: Any) -> str | None:
    """Numbers may stand in texts; 7.0 is written 7."""
    text = str(value).strip() if isinstance(value, int | float | str) and not isinstance(value, bool) else ""
    return text.removesuffix(".0") if len(text) <= 40 and NUMBER.fullmatch(text) else None


def _size(width: Any, height: Any = None) -> str | None:
    """ "512x768" of two sides, or of both in one value: "(512, 768)", "512x768", [512, 768]."""
    if height is None:
        width, height = width if isinstance(width, list) and len(width) == 2 else found.groups() if (found := TWO_NUMBERS.fullmatch(str(width))) else (None, None)
    sides = _number(width), _number(height)
    return f"{sides[0]}x{sides[1]}" if all(sides) else None


def _model(value: Any) -> str | None:
    return (plain_name(value) if isinstance(value, str) else "") or None


def _of_dream(text: str) -> str | None:
    """InvokeAI's first form, its command line: "a cat [dog]" -s 50 -S 1 -W 512 -H 512 -C 7.5 -A k_lms"""
    start, end = text.find('"'), text.rfind('"')
    prompt, negative = _parted(text[start + 1 : max(end, start + 1)])
    said = dict(OPTION.findall(text[end + 1 :]))
    return _text(prompt, negative, steps=said.get("s"), sampler=said.get("A"), schedule="", guidance=said.get("C"), seed=said.get("S"),
                 size=_size(said.get("W"), said.get("H")), model=None)  # fmt: skip


def _comment_of_xmp(texts: Values) -> Values | None:
    """Draw Things' JSON, which lies as the user's comment in a packet of XMP."""
    packet = str(texts.get("XML:com.adobe.xmp") or texts.get("xmp") or "")[:LONGEST]
    start = packet.find("<exif:UserComment>")
    end = packet.find("</exif:UserComment>", start)
    if start < 0 or end < 0:
        return None
    text = html.unescape(packet[start:end])
    return _object(text[text.find("{") : text.rfind("}") + 1])


def _of_graph(graph: Values | None, drawn: Values) -> str | None:
    """ComfyUI's graph of nodes: what leads to the node that samples. drawn: the picture's width and height."""
    nodes = {str(key): node["inputs"] for key, node in (graph or {}).items() if isinstance(node, Mapping) and "class_type" in node and isinstance(node.get("inputs"), Mapping)}
    for inputs in _samplers(nodes):
        way = inputs.get("positive") or inputs.get("guider")
        prompt = _upstream(nodes, {"positive": way}, _NAMES_OF_PROMPTS, "positive")
        negative = _upstream(nodes, {"negative": inputs.get("negative")}, _NAMES_OF_PROMPTS, "negative")
        found = {name: _upstream(nodes, inputs, names, "positive") for name, names in _NAMES_IN_GRAPH.items()}
        size = _size(*(drawn.get(name) or _upstream(nodes, inputs, (name,), "positive") for name in ("width", "height")))
        loras = [lora for node in _way_back(nodes, {name: value for name, value in inputs.items() if name != "latent_image"}, "negative") for lora in loras_of_node(node)]
        text = _text(_prompt(prompt), _prompt(negative), size=size, loras=reversed(loras), **found)
        if text:
            return text
    return None


def _samplers(nodes: Mapping[str, Values]) -> list[Values]:
    """The nodes that sample; first those whose latent comes from no other one: a second pass and a refiner say less of the picture."""
    found = [inputs for inputs in nodes.values() if _linked(inputs.get("latent_image")) is not None and _linked(inputs.get("positive") or inputs.get("guider")) is not None]
    ids = set(map(id, found))
    return sorted(found, key=lambda inputs: any(id(node) in ids for node in islice(_way_back(nodes, {"latent_image": inputs["latent_image"]}, ""), 1, None)))


_NAMES_IN_GRAPH = {
    "steps": ("steps",), "sampler": ("sampler_name",), "schedule": ("scheduler",), "guidance": ("cfg", "guidance"), "seed": ("seed", "noise_seed"),
    "model": ("ckpt_name", "unet_name"), "clip_skip": ("stop_at_clip_layer",),
}  # fmt: skip


_NAMES_OF_PROMPTS = ("text", "text_g", "t5xxl", "clip_l")
_NAMES_OF_VALUES = ("value", "string", "text", "seed", "int")


def _upstream(nodes: Mapping[str, Values], start: Values, names: tuple[str, ...], role: str) -> Any:
    """The nearest value of one of ``names`` on the way back from ``start``, the inputs of a node; never through the other prompt's way."""
    other = "negative" if role == "positive" else "positive"
    for inputs in _way_back(nodes, start, other):
        for name in names:
            value = inputs.get(name)
            if (wired := _linked(value)) is not None:  # from a node that holds a value
                value = next((each for each in map(nodes.get(wired, {}).get, _NAMES_OF_VALUES) if isinstance(each, str | int | float)), None)
            if isinstance(value, str | int | float):
                return value
    return None


def _way_back(nodes: Mapping[str, Values], start: Values, without: str) -> Iterator[Values]:
    """``start``, the inputs of a node, and those of all that lead to it, the nearest first; not through the inputs called ``without``."""
    waiting = [start]
    seen: set[str] = set()
    for inputs in waiting:
        yield inputs
        for key in _links(inputs, without):
            if key in nodes and key not in seen and len(seen) < MOST_NODES:
                seen.add(key)
                waiting.append(nodes[key])


def _links(inputs: Values, without: str) -> Iterator[str]:
    return (key for name, value in inputs.items() if name != without and (key := _linked(value)) is not None)


def _linked(value: Any) -> str | None:
    """The key of the node that a value comes from: a link is [key, number of its output]."""
    return str(value[0]) if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int) and isinstance(value[1], int) else None


def _object(value: Any) -> Values | None:
    """A JSON object, given as one or as text; some write a NUL behind it."""
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, str) or len(value) > LONGEST or not value.lstrip().startswith("{"):
        return None
    try:
        found = json.loads(value.strip().rstrip("\0"), strict=False)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
