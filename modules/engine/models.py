"""The model of a job and those that take over from it: one at a time is in use, the others wait with whoever loads them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

import torch

from modules.compute.placement import KeepResident
from modules.engine.adapters import NetworkSwitch
from modules.engine.pass_model import FlowModel, PassModel
from modules.engine.precautions import Precautions, prepare
from modules.engine.preview import NetworkPainter, Painter, preview_map
from modules.engine.tiling import tiled
from modules.families.family import LatentFormat, Prediction

if TYPE_CHECKING:
    from modules.compute.policy import ComputePolicy
    from modules.engine.resolved import ResolvedRequest
    from modules.loading.components import Components


QuickSource = Callable[[LatentFormat, str], Any]
"""Gives what decodes latents of a format by a method of previews: a module, or None."""


class ModelSource(Protocol):
    """Loads a checkpoint by the name that the request has for it. What it gave before may be empty from then on."""

    def __call__(self, name: str, /) -> Components: ...


@dataclass(frozen=True, kw_only=True)
class ModelInUse:
    """A model with what depends on it. vae_in_use: held while it decodes, for previews may be drawn by it at the same time."""

    name: str
    components: Components
    model: PassModel
    preview: Painter | None
    vae_in_use: threading.Lock = field(default_factory=threading.Lock)


class Models:
    """The models of one job. A ``with`` ends by leaving the last one as it was found.

    first: the job's own; source: where the others come from, and the first one again. None: there are no others.
    networks: go along to whichever is in use. precautions: what models needed before.
    """

    def __init__(
        self, first: Components, source: ModelSource | None, *, request: ResolvedRequest, policy: ComputePolicy, networks: NetworkSwitch,
        precautions: Precautions | None = None, quick: QuickSource | None = None,
    ) -> None:
        self._first, self._first_name = first, first.checkpoint.name
        self.first_family = first.family        # of the job's own checkpoint, whichever is in use
        self._source = source
        self._request = request
        self._policy = policy
        self.networks = networks
        self._precautions = precautions or Precautions()
        self._quick = quick
        self._changes = ExitStack()
        self._now: ModelInUse | None = None

    def __enter__(self) -> Self:
        self._now = self._taken(self._first_name, self._first)
        return self

    def __exit__(self, *_: object) -> None:
        self._changes.close()

    @property
    def now(self) -> ModelInUse:
        """Inside the ``with`` only."""
        assert self._now is not None
        return self._now

    def use(self, name: str = "") -> ModelInUse:
        """Go on with the checkpoint ``name``, "" being the job's own; the one before gets its weights back first. Raises what loading raises."""
        name = name or self._first_name
        if self._source is not None and (name != self.now.name or _is_empty(self.now.components)):
            self._changes.close()                   # networks out, convolutions as they were: the source may keep it for others
            self._now = self._taken(name, self._source(name))
        return self.now

    @property
    def painter(self) -> Painter:
        """Of the model in use, also where no previews are wanted."""
        return self.now.preview or self._painter(self.now.components, self.now.vae_in_use)

    def renew(self, **changes: Any) -> None:
        """The model's types are as its modules have them now. changes: fields of PassModel, for as long as this model is in use."""
        now = self.now
        self._now = replace(now, model=replace(_pass_model(now.components, self._policy_of(now.components)), **changes))

    def undo_later(self, undo: Callable[[], object]) -> None:
        """When another model takes over, or the job ends."""
        self._changes.callback(undo)

    def remember(self, measure: str) -> None:
        """The model in use needs this on this device, in the next job too."""
        self._precautions.of(self.now.components, self._policy.device).add(measure)

    def forget(self, *measures: str) -> None:
        """It does not need these after all."""
        self._precautions.of(self.now.components, self._policy.device).difference_update(measures)

    def is_in_use(self, name: str) -> bool:
        return (name or self._first_name) == self.now.name

    def _policy_of(self, components: Components) -> ComputePolicy:
        """With what the memory mode asks for that was found when the model was loaded."""
        policy = self._policy.for_family(components.family)
        return policy if components.policy is None else replace(policy, split_guidance=components.policy.split_guidance)

    def _taken(self, name: str, components: Components) -> ModelInUse:
        policy = self._policy_of(components)
        prepare(components, self._precautions.of(components, policy.device))
        lock = threading.Lock()
        preview = self._painter(components, lock) if self._request.preview.every_steps > 0 else None
        self._changes.enter_context(tiled((components.unet, components.vae), self._request.options.tiling))
        self.networks.turn_to(components)
        self._changes.callback(self.networks.off)
        return ModelInUse(name=name, components=components, model=_pass_model(components, policy), preview=preview, vae_in_use=lock)

    def _painter(self, components: Components, lock: threading.Lock) -> Painter:
        """By the method that was asked for, where there is what it needs; else the linear map."""
        latent, method = components.family.latent, self._request.preview.method
        vae: Any = components.vae
        network = self._quick(latent, method) if self._quick else None
        if network is not None:
            kept = next(network.parameters())
            return NetworkPainter(decode=lambda z: network(z.to(kept)))
        if method == "Full" and isinstance(components.placement, KeepResident):     # else it would drive out the model at work
            return NetworkPainter(decode=lambda z: vae.decode((z / latent.scale + latent.shift).to(next(vae.parameters())), return_dict=False)[0], held=lock)
        return preview_map(vae, latent)


def _is_empty(components: Components) -> bool:
    """Whether its memory was given back meanwhile: a job inside this one may have needed it for another model."""
    return next(components.unet.parameters()).is_meta


def _pass_model(components: Components, policy: ComputePolicy) -> PassModel:
    family, calls = components.family, components.calls
    return PassModel(
        unet=components.unet,
        alphas_cumprod=components.alphas_cumprod,
        predicts_v=components.prediction is Prediction.V,
        compute_dtype=torch.float32 if next(components.unet.parameters()).dtype is torch.float32 else getattr(torch, policy.compute_dtype),
        is_sdxl=components.family.is_sdxl,
        split_guidance=policy.split_guidance,
        call=None if calls is None or calls.model is not components.unet else calls.asked(records=policy.records_calls, compiles=policy.compiles, openvino=policy.openvino),
        flow=FlowModel(kind=family.denoiser, shift=family.shift, guidance=family.guidance, keeps_length=family.keeps_length, takes_further=family.further is not None) if family.is_flow else None,
    )
