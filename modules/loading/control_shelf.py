"""The control networks of one server, and CLIP's picture encoders: the last ones that were used stay loaded. And what each file is."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from modules.loading.control_kinds import ControlFacts, recognised
from modules.schema.errors import CannotLoad

if TYPE_CHECKING:
    from modules.compute.policy import ComputePolicy
    from modules.library.model_file import ModelFile
    from modules.loading.clip_vision import VisionEncoder
    from modules.loading.components import Components
    from modules.loading.controlnet import AnyNetwork

_Key = tuple[str, float, str]


class ControlShelf:
    """Only the worker takes networks from it, for that is not thread-safe. Who uses what it gives brings it to the device by its ``placement``."""

    def __init__(self) -> None:
        self._kept: dict[_Key, AnyNetwork] = {}
        self._encoder: tuple[_Key, VisionEncoder] | None = None
        self._facts: dict[tuple[str, float, int], ControlFacts | None] = {}

    def facts(self, file: ModelFile) -> ControlFacts | None:
        """What the file is, by its header; None where that cannot be told. Any thread may ask."""
        from modules.loading.control_layout import without_prefix
        from modules.loading.weights import open_weights

        key = (str(file.path), file.modified, file.size)
        if key not in self._facts:
            try:
                with closing(open_weights(file.path)) as weights:
                    self._facts[key] = recognised(without_prefix(weights.header.shapes)[0])
            except CannotLoad:
                self._facts[key] = None
        return self._facts[key]

    def take(self, file: ModelFile, components: Components, policy: ComputePolicy, *, keep: int, leaves: bool = False) -> AnyNetwork:
        """The network of ``file`` for the checkpoint in use. keep: how many stay loaded, this one among them. leaves: see ControlNetwork.

        One that builds upon the checkpoint's weights is made again for another checkpoint. Raises CannotLoad.
        """
        from modules.loading.controlnet import load_control

        family = components.family
        key = (str(file.path), file.modified, family.name)
        network = self._kept.pop(key, None)
        if network is not None and network.base is not None and network.base is not components.unet:
            network = None
        if network is None:
            while len(self._kept) >= max(keep, 1):
                self._kept.pop(next(iter(self._kept)))
            network = load_control(file, family, policy.for_family(family), base=components)
        if network.placement is not components.placement or network.leaves is not leaves:
            network = replace(network, placement=components.placement, leaves=leaves)
        if keep > 0:
            self._kept[key] = network
        return network

    def vision(self, file: ModelFile, components: Components, policy: ComputePolicy, *, leaves: bool = False) -> VisionEncoder:
        """CLIP's picture encoder of ``file``; the last one stays loaded. Raises CannotLoad."""
        from modules.loading.clip_vision import load_clip_vision

        key = (str(file.path), file.modified, "")
        if self._encoder is None or self._encoder[0] != key:
            self._encoder = None                    # gone before the next one is read
            self._encoder = key, load_clip_vision(file, policy.for_family(components.family))
        return replace(self._encoder[1], placement=components.placement, leaves=leaves)

    def clear(self) -> None:
        self._kept.clear()
        self._encoder = None
