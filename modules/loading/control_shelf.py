"""The control networks of one server: the last ones that were used stay loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modules.compute.policy import ComputePolicy
    from modules.families.family import ModelFamily
    from modules.library.model_file import ModelFile
    from modules.loading.controlnet import ControlNetwork


class ControlShelf:
    """Not thread-safe: only the worker asks it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, float, str], ControlNetwork] = {}

    def take(self, file: ModelFile, family: ModelFamily, policy: ComputePolicy, *, keep: int) -> ControlNetwork:
        """The network of ``file`` on the device it computes on. keep: how many stay loaded, this one among them.

        Raises CannotLoad.
        """
        from modules.loading.controlnet import load_control

        key = (str(file.path), file.modified, family.name)
        network = self._kept.pop(key, None)
        if network is None:
            while len(self._kept) >= max(keep, 1):
                self._kept.pop(next(iter(self._kept)))
            network = load_control(file, family, policy)
        if keep > 0:
            self._kept[key] = network
        network.module.to(policy.device)
        network.hint_encoder.to(policy.device)
        return network

    def rest(self) -> None:
        """Off the device, back into main memory: units that ask for it save graphics memory between pictures."""
        for network in self._kept.values():
            network.module.to("cpu")
            network.hint_encoder.to("cpu")

    def clear(self) -> None:
        self._kept.clear()
