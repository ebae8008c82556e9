"""A1111's ``modules.extra_networks``."""
from modules.a1111.network_types import (
    ExtraNetwork, ExtraNetworkParams, activate, deactivate, extra_network_aliases, extra_network_registry, get_user_metadata, initialize,
    lookup_extra_networks, parse_prompt, parse_prompts, re_extra_net, register_default_extra_networks, register_extra_network, register_extra_network_alias,
)  # fmt: skip
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "")
