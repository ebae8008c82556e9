"""The built-in Lora extension of A1111, as other extensions see it: which files there are, and what is in use."""
from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from modules.a1111 import lora_modules
from modules.a1111.app_slot import current, is_occupied
from modules.a1111.checkpoint_list import read_metadata
from modules.a1111.live import LiveDict
from modules.a1111.lora_live import LiveNetworks, Network, original_key
from modules.a1111.network_types import ExtraNetwork, ExtraNetworkParams
from modules.engine.adapters import LoadedLora
from modules.engine.extra_networks import LoraRequest
from modules.library.model_file import ModelFile

if TYPE_CHECKING:
    from modules.engine.adapters import NetworkSwitch


class NetworkOnDisk:
    """A LoRA file by A1111's names."""

    def __init__(self, name: str, filename: str, model: ModelFile | None = None) -> None:
        self.name = name
        self.filename = filename
        self._model = model
        self.alias = current().loras.alias(model) if model is not None and is_occupied() else name
        self.set_hash(current().loras.hash_at_hand(model) if model is not None and is_occupied() else "")
        self.is_safetensors = filename.lower().endswith(".safetensors")

    @property
    def metadata(self) -> dict[str, Any]:
        return read_metadata(self.filename)

    def get_alias(self) -> str:
        return self.name if current().settings.get("lora_preferred_name") == "Filename" else self.alias

    def read_hash(self) -> None:
        if self._model is not None and not self.hash:
            self.set_hash(current().loras.short_hash(self._model))

    def set_hash(self, v: str) -> None:
        """As infotexts name LoRAs: of the file without its header."""
        self.hash, self.shorthash = v, v[:12]


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


class SdVersion(IntEnum):
    Unknown = 1
    SD1 = 2
    SD2 = 3
    SDXL = 4


def load_network(name: str, network_on_disk: NetworkOnDisk, request: LoraRequest | None = None) -> Network:
    """The file, read. Raises CannotLoad, and KeyError for a file that is not among the LoRAs."""
    app = current()
    file = network_on_disk._model or app.loras.find(network_on_disk.name)
    if file is None:
        raise KeyError(network_on_disk.name)
    return Network(name, network_on_disk, LoadedLora(request or LoraRequest(name=name), app.loras.load(file)), app.checkpoints.components)


def load_networks(names: Sequence[str], te_multipliers: Any = None, unet_multipliers: Any = None, dyn_dims: Any = None) -> None:
    """These LoRAs in place of those in use. In a batch they act from the next call of the model on; names that are not there are passed over."""
    found = []
    for n, name in enumerate(names):
        on_disk = available_network_aliases.get(name)
        if on_disk is not None:
            request = LoraRequest(name=name, text_strength=_nth(te_multipliers, n, 1.0), unet_strength=_nth(unet_multipliers, n, 1.0), dynamic_rank=_nth(dyn_dims, n, None))
            found.append(load_network(name, on_disk, request))
    _SHARED["loaded_networks"][:] = found


class ExtraNetworkLora(ExtraNetwork):
    """``<lora:...>``. What a prompt says is the engine's; where a subclass says otherwise, that is loaded in its place."""

    def __init__(self) -> None:
        super().__init__("lora")
        self.errors: dict[str, int] = {}
        self.remove_symbols = str.maketrans("", "", ":,")

    def activate(self, p: Any, params_list: list[ExtraNetworkParams]) -> None:
        wanted = [found for params in params_list if params.positional and (found := _asked(params))[0] in available_network_aliases]
        loaded = [(each.name, float(each.te_multiplier), float(each.unet_multiplier), each.dyn_dim) for each in _SHARED["loaded_networks"]]
        if wanted != loaded:
            load_networks([each[0] for each in wanted], [each[1] for each in wanted], [each[2] for each in wanted], [each[3] for each in wanted])

        if current().settings.get("lora_add_hashes_to_infotext"):
            self._tell_hashes(p)

    def _tell_hashes(self, p: Any) -> None:
        """What is loaded now, in the text; what stood there of the first pass stays beside it."""
        told = dict(p.lora_hashes) if getattr(p, "is_hr_pass", False) else {}
        for each in _SHARED["loaded_networks"]:
            each.network_on_disk.read_hash()
            if each.network_on_disk.shorthash and each.mentioned_name:
                told[each.mentioned_name.translate(self.remove_symbols)] = each.network_on_disk.shorthash
        p.lora_hashes = told
        if told:
            p.extra_generation_params["Lora hashes"] = ", ".join(f"{name}: {digits}" for name, digits in told.items())

    def deactivate(self, p: Any) -> None:
        self.errors.clear()


def _asked(params: ExtraNetworkParams) -> tuple[str, float, float, int | None]:
    """Name, strength in text and UNet, rank. Raises ValueError."""
    words, named = params.positional, params.named
    text = float(named.get("te", words[1] if len(words) > 1 else 1.0))
    unet = float(named.get("unet", words[2] if len(words) > 2 else text))
    rank = named.get("dyn", words[3] if len(words) > 3 else None)
    return words[0], text, unet, None if rank is None else int(rank)


def _nth(values: Any, n: int, otherwise: Any) -> Any:
    return values[n] if values and n < len(values) and values[n] is not None else otherwise


def live_networks(switch: NetworkSwitch) -> LiveNetworks:
    """``loaded_networks`` as the view of a run's LoRAs."""
    return LiveNetworks(switch, _SHARED["loaded_networks"], lambda file: NetworkOnDisk(file.stem, str(file.path.absolute()), file))


def convert_diffusers_name_to_compvis(key: str, is_sd2: bool = False) -> str:
    """A layer's name in a LoRA file by CompVis' names."""
    from modules.loading.lora_names import place_of

    return original_key(place_of(f"{key}.alpha").layer, current().checkpoints.components)


_SHARED: dict[str, Any] = {"loaded_networks": [], "forbidden_network_aliases": {}, "loaded_bundle_embeddings": {}, "networks_in_memory": {}}
NETWORKS: dict[str, Any] = {
    **_SHARED, "available_networks": available_networks, "available_network_aliases": available_network_aliases,
    "available_network_hash_lookup": available_network_hash_lookup, "list_available_networks": list_available_networks, "extra_network_lora": None,
    "load_network": load_network, "load_networks": load_networks, "convert_diffusers_name_to_compvis": convert_diffusers_name_to_compvis,
    "purge_networks_from_memory": lambda: None, "module_types": [made() for made in lora_modules.MODULE_TYPES.values()],
}  # fmt: skip
LORA: dict[str, Any] = {
    "available_loras": available_networks, "available_lora_aliases": available_network_aliases, "available_lora_hash_lookup": available_network_hash_lookup,
    "loaded_loras": _SHARED["loaded_networks"], "forbidden_lora_aliases": _SHARED["forbidden_network_aliases"], "list_available_loras": list_available_networks,
    "load_lora": load_network, "load_loras": load_networks,
}  # fmt: skip
NETWORK: dict[str, Any] = {
    "NetworkOnDisk": NetworkOnDisk, "Network": Network, "SdVersion": SdVersion, "NetworkModule": lora_modules.NetworkModule,
    "NetworkWeights": lora_modules.NetworkWeights, "ModuleType": lora_modules.ModuleType,
}  # fmt: skip
EXTRA: dict[str, Any] = {"ExtraNetworkLora": ExtraNetworkLora}
