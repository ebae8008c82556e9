"""The built-in Lora extension of A1111, as other extensions see it: which files there are, and what is in use."""
from __future__ import annotations

from typing import Any

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.checkpoint_list import read_metadata
from modules.a1111.live import LiveDict
from modules.library.model_file import ModelFile


class NetworkOnDisk:
    """A LoRA file by A1111's names."""

    def __init__(self, name: str, filename: str, model: ModelFile | None = None) -> None:
        self.name = name
        self.filename = filename
        self._model = model
        self.alias = current().loras.alias(model) if model is not None and is_occupied() else name
        self.hash = (model.sha256 if model else None) or ""
        self.shorthash = self.hash[:12]
        self.is_safetensors = filename.lower().endswith(".safetensors")

    @property
    def metadata(self) -> dict[str, Any]:
        return read_metadata(self.filename)

    def get_alias(self) -> str:
        return self.name if current().settings.get("lora_preferred_name") == "Filename" else self.alias

    def read_hash(self) -> None:
        if self._model is not None:
            self.hash = current().catalogue.hash_of(self._model)
            self.shorthash = self.hash[:12]

    def set_hash(self, v: str) -> None:
        self.hash, self.shorthash = v, v[:12]


class Network:
    """A LoRA in use."""

    def __init__(self, name: str, network_on_disk: NetworkOnDisk) -> None:
        self.name = name
        self.network_on_disk = network_on_disk
        self.te_multiplier = 1.0
        self.unet_multiplier = 1.0
        self.dyn_dim = None
        self.modules: dict[str, Any] = {}
        self.bundle_embeddings: dict[str, Any] = {}
        self.mtime = None
        self.mentioned_name = None


def _files() -> dict[str, NetworkOnDisk]:
    if not is_occupied():
        return {}
    return {each.stem: NetworkOnDisk(each.stem, str(each.path.absolute()), each) for each in current().catalogue.loras()}


available_networks = LiveDict(_files)
available_network_aliases = LiveDict(lambda: {one: each for each in _files().values() for one in (each.name, each.alias)})
available_network_hash_lookup = LiveDict(lambda: {each.shorthash: each for each in _files().values() if each.shorthash})


def list_available_networks() -> None:
    """Look through the folders anew."""
    current().catalogue.refresh()


_SHARED: dict[str, Any] = {"loaded_networks": [], "forbidden_network_aliases": {}, "loaded_bundle_embeddings": {}, "networks_in_memory": {}}
NETWORKS: dict[str, Any] = {
    **_SHARED, "available_networks": available_networks, "available_network_aliases": available_network_aliases,
    "available_network_hash_lookup": available_network_hash_lookup, "list_available_networks": list_available_networks, "extra_network_lora": None,
}  # fmt: skip
LORA: dict[str, Any] = {
    "available_loras": available_networks, "available_lora_aliases": available_network_aliases, "available_lora_hash_lookup": available_network_hash_lookup,
    "loaded_loras": _SHARED["loaded_networks"], "forbidden_lora_aliases": _SHARED["forbidden_network_aliases"], "list_available_loras": list_available_networks,
}  # fmt: skip
NETWORK: dict[str, Any] = {"NetworkOnDisk": NetworkOnDisk, "Network": Network}
EXTRA: dict[str, Any] = {}
