"""A1111's extra networks: what ``<kind:name:...>`` in a prompt means to extensions that bring kinds of their own."""
from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

log = logging.getLogger(__name__)
Params = defaultdict[str, list["ExtraNetworkParams"]]
re_extra_net = re.compile(r"<(\w+):([^>]+)>")
extra_network_registry: dict[str, ExtraNetwork] = {}
extra_network_aliases: dict[str, ExtraNetwork] = {}


class ExtraNetworkParams:
    """What stands behind the kind: items; of these "a=b" in ``named``, the others in ``positional``."""

    def __init__(self, items: list[str] | None = None) -> None:
        self.items = items or []
        self.positional: list[str] = []
        self.named: dict[str, str] = {}
        for item in self.items:
            parts = item.split("=", 2) if isinstance(item, str) else [item]
            if len(parts) == 2:
                self.named[parts[0]] = parts[1]
            else:
                self.positional.append(item)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExtraNetworkParams) and self.items == other.items

    def __hash__(self) -> int:
        return hash(tuple(self.items))


class ExtraNetwork:
    """A kind of network. Subclasses say what happens when a prompt names one."""

    def __init__(self, name: str) -> None:
        self.name = name

    def activate(self, p: Any, params_list: list[ExtraNetworkParams]) -> None:
        """Called before sampling, with an empty list where the prompt names none."""
        raise NotImplementedError

    def deactivate(self, p: Any) -> None:
        """Called when the job is over."""
        raise NotImplementedError


def initialize() -> None:
    extra_network_registry.clear()
    extra_network_aliases.clear()


def register_extra_network(extra_network: ExtraNetwork) -> None:
    extra_network_registry[extra_network.name] = extra_network


def register_extra_network_alias(extra_network: ExtraNetwork, alias: str) -> None:
    extra_network_aliases[alias] = extra_network


def register_default_extra_networks() -> None:
    """They are registered when extensions are loaded."""


def lookup_extra_networks(extra_network_data: Mapping[str, list[ExtraNetworkParams]]) -> dict[ExtraNetwork, list[ExtraNetworkParams]]:
    """The registered kinds that are named, under one of their names or several, each with all that is said of it."""
    found: dict[ExtraNetwork, list[ExtraNetworkParams]] = {}
    for name, params in extra_network_data.items():
        network = extra_network_registry.get(name) or extra_network_aliases.get(name)
        if network is not None:
            found.setdefault(network, []).extend(params)
    return found


def parse_prompt(prompt: str) -> tuple[str, Params]:
    """The prompt without its ``<kind:...>`` tags, and those by kind."""
    found: Params = defaultdict(list)

    def taken_out(match: re.Match[str]) -> str:
        found[match.group(1)].append(ExtraNetworkParams(items=match.group(2).split(":")))
        return ""

    return re.sub(re_extra_net, taken_out, prompt), found


def parse_prompts(prompts: Iterable[str]) -> tuple[list[str], Params | None]:
    """All prompts without tags, and the tags of the first one, as A1111 counts them."""
    texts, first = [], None
    for prompt in prompts:
        text, tags = parse_prompt(prompt)
        first = tags if first is None else first
        texts.append(text)
    return texts, first


def activate(p: Any, extra_network_data: Mapping[str, list[ExtraNetworkParams]]) -> None:
    """Tell every registered kind what the prompt names of it: first those that are named, then the others."""
    named = lookup_extra_networks(extra_network_data)
    for network in dict.fromkeys([*named, *extra_network_registry.values()]):
        try:
            network.activate(p, named.get(network, []))
        except Exception:
            log.exception("the extra network %s could not be activated", network.name)


def deactivate(p: Any, extra_network_data: Mapping[str, list[ExtraNetworkParams]]) -> None:
    for network in dict.fromkeys([*lookup_extra_networks(extra_network_data), *extra_network_registry.values()]):
        try:
            network.deactivate(p)
        except Exception:
            log.exception("the extra network %s could not be deactivated", network.name)


def get_user_metadata(filename: str, lister: Any = None) -> dict[str, Any]:
    """What the user wrote about a model file: the JSON beside it."""
    import json
    from pathlib import Path

    try:
        found = json.loads(Path(filename).with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
