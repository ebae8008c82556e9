"""Kinds of networks that extensions registered, told at each batch what its prompts name of them; our own kinds are the engine's."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from modules.a1111.app_slot import current
from modules.a1111.lora_names import ExtraNetworkLora
from modules.a1111.network_types import (
    ExtraNetwork,
    ExtraNetworkParams,
    Params,
    activate,
    deactivate,
    extra_network_aliases,
    extra_network_registry,
    register_extra_network,
    register_extra_network_alias,
)  # fmt: skip
from modules.engine.extra_networks import NetworkTag, take_out_tags


class ExtraNetworkHypernet(ExtraNetwork):
    """``<hypernet:name:1>``: the engine's."""

    def __init__(self) -> None:
        super().__init__("hypernet")

    def activate(self, p: Any, params_list: list[ExtraNetworkParams]) -> None:
        pass

    def deactivate(self, p: Any) -> None:
        pass


_OWN = (ExtraNetworkLora, ExtraNetworkHypernet)


def register_own() -> None:
    """A1111's kinds stand in the registry, for extensions that look there or put theirs in place."""
    for network in (ExtraNetworkLora(), ExtraNetworkHypernet()):
        if network.name not in extra_network_registry:
            register_extra_network(network)
    register_extra_network_alias(extra_network_registry["lora"], "lyco")
    current().loras.other_kinds = _foreign_kinds


def is_anybody_there() -> bool:
    return bool(_foreign_kinds())


def _foreign_kinds() -> tuple[str, ...]:
    """What extensions answer for; also "lora", where one put a kind of its own in that place."""
    return tuple(kind for known in (extra_network_registry, extra_network_aliases) for kind, network in known.items() if type(network) not in _OWN)


def begin(p: Any, *, hires: bool = False) -> None:
    """The batch's networks are the model's own now; those of extensions follow."""
    found = p.hr_extra_network_data if hires else p.extra_network_data
    if is_anybody_there() and not p.disable_extra_networks:
        activate(p, found or {})


def end(p: Any) -> None:
    """The run is over."""
    if is_anybody_there() and not p.disable_extra_networks:
        deactivate(p, p.extra_network_data or {})


def by_kind(tags: Sequence[NetworkTag]) -> Params:
    """A1111's ``p.extra_network_data``: a kind that nobody names has an empty list."""
    found: Params = defaultdict(list)
    for tag in tags:
        found[tag.kind].append(ExtraNetworkParams([*tag.positional, *(f"{key}={value}" for key, value in tag.named.items())]))
    return found


def taken_out(prompts: Any) -> tuple[list[str], Params]:
    """The prompts without their tags, and what the first of them names, by kind."""
    taken = [take_out_tags(str(prompt)) for prompt in prompts or ()]
    return [text for text, _ in taken], by_kind(taken[0][1] if taken else ())


def tag_texts(prompt: str) -> str:
    """The tags of a prompt as they stand in it."""
    return "".join(f"<{':'.join((tag.kind, *tag.positional, *(f'{key}={value}' for key, value in tag.named.items())))}>" for tag in take_out_tags(prompt)[1])
