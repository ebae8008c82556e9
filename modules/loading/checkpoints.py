"""The checkpoints in use: loaded when first needed, as many kept as are allowed, the least recently used let go, none half there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from modules.compute.memory import free_memory
from modules.compute.policy import ComputePolicy
from modules.library.catalogue import Catalogue
from modules.library.model_file import ModelFile
from modules.library.vae_choice import AUTOMATIC, choose_vae
from modules.loading.attending import attending
from modules.loading.components import Components
from modules.loading.stamp import GONE, Stamp, as_it_is, stamp_of


@dataclass(frozen=True, kw_only=True, eq=False)
class _Loaded:
    components: Components
    stamp: Stamp
    vae_stamp: Stamp | None


class Checkpoints:
    """Holds the models of late, the one asked for last in front. Only the worker thread loads; others may ask what is ``current``.

    A model that is let go gives its memory back at once, whoever still holds its modules: they are empty afterwards.
    fixed_vae: the file of --vae-path.
    """

    def __init__(self, catalogue: Catalogue, policy: ComputePolicy, *, fixed_vae: Path | None = None) -> None:
        self._catalogue = catalogue
        self._policy = policy
        self._fixed_vae = fixed_vae
        self._kept: tuple[_Loaded, ...] = ()        # exchanged whole, never changed: other threads read it
        self._listeners: list[Callable[[], None]] = []

    def when_loaded(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` on the worker whenever another checkpoint becomes the current one."""
        self._listeners.append(listener)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()

    @property
    def current(self) -> ModelFile | None:
        """The checkpoint asked for last, as the catalogue lists it now, or None."""
        components = self.components
        return self._catalogue.newest(components.checkpoint) if components else None

    @property
    def components(self) -> Components | None:
        """What was asked for last, or None."""
        kept = self._kept
        return kept[0].components if kept else None

    @property
    def kept(self) -> tuple[ModelFile, ...]:
        """All loaded checkpoints, the one used last first."""
        return tuple(each.components.checkpoint for each in self._kept)

    def load(
        self, model_file: ModelFile, *, vae: str = AUTOMATIC, setting_beats_card: bool = True, keep: int = 1, others_in_ram: bool = True,
        policy: ComputePolicy | None = None,
    ) -> Components:
        """The components of ``model_file``: at once when it is one of those kept, else read from disk.

        vae: the setting ``sd_vae``: "Automatic", "None" or a VAE file's name. keep: how many models may stay loaded, this one
        included. others_in_ram: of those only this one stays on the device. policy: the usual one with what settings ask for.
        What was loaded stays usable when its file is gone. A file that cannot be loaded leaves the models in use as they are; only one that fails in the middle of
        its reading may leave none. Raises CannotLoad, OutOfMemory, UnknownName (no such VAE).
        """
        policy = policy or self._policy
        vae_file = choose_vae(self._catalogue, model_file, vae, fixed=self._fixed_vae, setting_beats_card=setting_beats_card)
        stamp, vae_stamp = stamp_of(model_file.path), stamp_of(vae_file.path) if vae_file else None
        known = next((each for each in self._kept if each.components.checkpoint.path == model_file.path and stamp in (each.stamp, GONE)), None)
        if known is not None and not _fits(known.components, policy):
            known = None                            # its weights are kept in another form
        if known is not None:
            known = _Loaded(components=attending(known.components, policy), stamp=known.stamp, vae_stamp=known.vae_stamp)
            self._kept = tuple(known if each.components.checkpoint.path == model_file.path else each for each in self._kept)
            return self._in_front(known, vae_file, vae_stamp, keep, others_in_ram)

        def make_room() -> None:
            outdated = tuple(each for each in self._kept if each.components.checkpoint.path == model_file.path)
            self._let_go(outdated)
            self._let_go(self._kept[max(keep, 1) - 1 :])
            self._others_leave_the_device(self._kept, others_in_ram)

        from modules.loading.checkpoint import (
            load_checkpoint,  # diffusers and transformers with it: seconds, for which the page need not wait
        )
        from modules.loading.parts import PartFiles

        files = PartFiles(text_encoders=self._catalogue.text_encoders(), vaes=self._catalogue.vaes())
        model_file = as_it_is(model_file)           # encoded prompts are kept by what it says
        components = load_checkpoint(model_file, policy, vae_file=vae_file, files=files, before_reading=make_room)
        if components.vae_file is not None:
            vae_stamp = stamp_of(components.vae_file.path)
        self._kept = (_Loaded(components=components, stamp=stamp, vae_stamp=vae_stamp), *self._kept)
        self._catalogue.hash_later(model_file)
        self._tell()
        return components

    def unload(self) -> None:
        """Let go of every loaded model."""
        self._let_go(self._kept)

    def forget(self, path: Path) -> None:
        """Let go of the model of this file."""
        self._let_go(tuple(each for each in self._kept if each.components.checkpoint.path == path))

    def keep_current_only(self) -> None:
        """Let go of every model but the one asked for last."""
        self._let_go(self._kept[1:])

    def _in_front(self, known: _Loaded, vae_file: ModelFile | None, vae_stamp: Stamp | None, keep: int, others_in_ram: bool) -> Components:
        """A model that is loaded already becomes the present one, with the VAE that is asked for now."""
        if known is not self._kept[0]:
            others = tuple(each for each in self._kept if each is not known)
            self._kept = (known, *others)
            self._others_leave_the_device(others, others_in_ram)
            self._move(known.components, self._policy.device)
            self._tell()
        known = self._with_vae(known, vae_file, vae_stamp)
        self._kept = (known, *self._kept[1:])
        self._let_go(self._kept[max(keep, 1) :])
        return known.components

    def _let_go(self, old: tuple[_Loaded, ...]) -> None:
        """Forget these models and free their memory, so that it is there before another is read."""
        if not old:
            return
        self._kept = tuple(each for each in self._kept if each not in old)
        for each in old:
            each.components.placement.release()
            each.components.forget_recordings()
            each.components.forget_unread()
            for module in each.components.built_modules():
                module.to("meta")
        del old, each
        free_memory()

    def _others_leave_the_device(self, others: tuple[_Loaded, ...], in_ram: bool) -> None:
        for each in others:
            each.components.placement.release()
            each.components.forget_recordings()
            if in_ram:
                self._move(each.components, "cpu")

    def _move(self, components: Components, device: str) -> None:
        """Between device and RAM, where models stay on the device whole; the other memory modes see to it themselves."""
        if components.placement.keeps_all and self._policy.device != "cpu":
            for module in components.built_modules():
                module.to(device)

    def _with_vae(self, known: _Loaded, vae_file: ModelFile | None, vae_stamp: Stamp | None) -> _Loaded:
        components = known.components
        if vae_file is None and components.own_vae_file is not None:
            vae_file, vae_stamp = components.own_vae_file, stamp_of(components.own_vae_file.path)
        present = components.vae_file.path if components.vae_file else None
        if present == (vae_file.path if vae_file else None) and known.vae_stamp == vae_stamp:
            return known
        from modules.loading.vae import load_vae

        vae = load_vae(vae_file or components.checkpoint, components.family, components.policy or self._policy.for_family(components.family))
        components.placement.release()  # the old VAE may be the part that is on the device
        exchanged = replace(components, vae=vae, vae_file=vae_file)
        exchanged.attach_vae()
        return _Loaded(components=exchanged, stamp=known.stamp, vae_stamp=vae_stamp)


def _fits(components: Components, policy: ComputePolicy) -> bool:
    """Whether a loaded model keeps its weights as ``policy`` wants them kept."""
    return components.policy is None or components.policy.float8_weights == policy.for_family(components.family).float8_weights
