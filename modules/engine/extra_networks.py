"""Tags that name other networks: ``<lora:name:0.8>``, ``<lora:name:te=0.5:unet=1>``, ``<hypernet:name:1>``.

Special: any ``<word:...>`` is taken out of the prompt, known or not, as in A1111.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from modules.schema.errors import shortened

LORA_KINDS = ("lora", "lyco")
_TAG = re.compile(r"<(\w+):([^>]+)>")


@dataclass(frozen=True, kw_only=True)
class NetworkTag:
    """One tag. kind: the word before the first colon. positional: values without a name, the network's own name first."""

    kind: str
    positional: tuple[str, ...]
    named: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LoraRequest:
    """A LoRA as a prompt asks for it. strengths: 1.0 is the file as it is; dynamic_rank: use only so many ranks."""

    name: str
    text_strength: float = 1.0
    unet_strength: float = 1.0
    dynamic_rank: int | None = None


def take_out_tags(prompt: str) -> tuple[str, tuple[NetworkTag, ...]]:
    """The prompt without its tags, and the tags in order. Linear time."""
    end = prompt.rfind(">") + 1             # without a closing bracket ahead every "<a:" would look to the end
    tags: list[NetworkTag] = []

    def take(match: re.Match[str]) -> str:
        tags.append(_tag(match[1], match[2]))
        return ""

    return _TAG.sub(take, prompt[:end]) + prompt[end:], tuple(tags)


def take_out_batch_tags(prompts: Sequence[str]) -> tuple[list[str], tuple[NetworkTag, ...]]:
    """The prompts of one batch without tags, and the tags that count: those of its first prompt, as in A1111."""
    taken = [take_out_tags(prompt) for prompt in prompts]
    return [prompt for prompt, _ in taken], taken[0][1] if taken else ()


def lora_requests(tags: Sequence[NetworkTag], answered: Collection[str] = ()) -> tuple[tuple[LoraRequest, ...], tuple[str, ...]]:
    """The LoRAs that ``<lora:..>`` and ``<lyco:..>`` tags ask for, in order; and a sentence for each tag that cannot be read.

    answered: kinds that somebody else reads, who may know more forms of a strength than a number.
    One that is named more than once is applied as often, each time with what its last tag says: A1111 does so, and seeds go by it.
    """
    requests: list[LoraRequest] = []
    problems: list[str] = []
    for tag in tags:
        if tag.kind not in LORA_KINDS or not tag.positional:
            continue
        try:
            requests.append(_lora(tag))
        except ValueError as error:
            if tag.kind in answered:
                continue
            name = shortened(tag.positional[0])
            problems.append(f"<{tag.kind}:{name}> was left out: {error} is no strength. Write a number, such as <{tag.kind}:{name}:0.8>.")
    last = {request.name: request for request in requests}
    return tuple(last[request.name] for request in requests), tuple(problems)


def _tag(kind: str, values: str) -> NetworkTag:
    positional: list[str] = []
    named: dict[str, str] = {}
    for value in values.split(":"):
        key, equals, rest = value.partition("=")
        if equals and "=" not in rest:
            named[key] = rest
        else:
            positional.append(value)
    return NetworkTag(kind=kind, positional=tuple(positional), named=named)


def _lora(tag: NetworkTag) -> LoraRequest:
    name, *values = tag.positional
    text = _number(tag.named.get("te", values[0] if values else "1"))
    unet = _number(tag.named.get("unet", values[1] if len(values) > 1 else str(text)))
    rank = tag.named.get("dyn", values[2] if len(values) > 2 else "")
    return LoraRequest(name=name, text_strength=text, unet_strength=unet, dynamic_rank=int(_number(rank)) if rank else None)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) < 1e6:                # neither nan nor infinity is
        raise ValueError(repr(shortened(text)))
    return value
