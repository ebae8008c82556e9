"""A1111's attention optimisations of extensions (``on_list_optimizers``): the one that the setting "Cross attention optimization" or a flag of its own names."""
from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, ClassVar

from modules.a1111 import callbacks
from modules.a1111.app_slot import is_occupied
from modules.a1111.options import value_of
from modules.a1111.places import command_line
from modules.engine import ldm_vae
from modules.engine.ldm_layers import CrossAttention

log = logging.getLogger(__name__)
optimizers: list[Any] = []


class SdOptimization:
    """One that can be chosen. apply: puts functions in the place of the classes' in ``ldm.modules.attention`` and ``ldm.modules.diffusionmodules.model``."""

    name: ClassVar[Any] = None
    label: ClassVar[Any] = None
    cmd_opt: ClassVar[Any] = None
    priority: ClassVar[int] = 0

    def title(self) -> str:
        return str(self.name) if self.label is None else f"{self.name} - {self.label}"

    def is_available(self) -> bool:
        return True

    def apply(self) -> None: ...

    def undo(self) -> None:
        undo_optimizations()


@dataclass(eq=False)
class InPlace:
    """What was applied last."""

    optimizer: Any = None


in_place = InPlace()


def list_optimizers() -> None:
    """Ask extensions for theirs; those that cannot work here are left out."""
    optimizers[:] = sorted(filter(_can_work, callbacks.list_optimizers_callback()), key=lambda each: -each.priority)


def titles() -> list[str]:
    """Those that can be chosen now."""
    if is_occupied():
        list_optimizers()
    return [each.title() for each in optimizers]


def apply_optimizations(option: Any = None) -> str:
    """From now on the chosen one is at work, or the program's own again. One that raises is told of, and left out. Returns its name."""
    chosen = _chosen(option)
    if chosen is not in_place.optimizer:
        if in_place.optimizer is not None:
            before, in_place.optimizer = in_place.optimizer, None
            before.undo()
            undo_optimizations()
        if chosen is not None and not _applied(chosen):
            return ""
        in_place.optimizer = chosen
    return "" if chosen is None else str(chosen.name)


def _applied(chosen: Any) -> bool:
    try:
        chosen.apply()
    except Exception:               # an extension's code: anything
        log.exception("the attention %r of an extension could not be put in place; the program's own is used", chosen.name)
        undo_optimizations()
        optimizers.remove(chosen)
        return False
    return True


def _can_work(each: Any) -> bool:
    try:
        return bool(each.is_available())
    except Exception:               # the same
        log.exception("the attention %r of an extension is left out", each.name)
        return False


def undo_optimizations() -> None:
    """The program's own attention works."""
    for kind in (CrossAttention, ldm_vae.AttnBlock):
        kind.forward = kind.as_written["forward"]


def _chosen(option: Any) -> Any:
    wanted = option or value_of("cross_attention_optimization")
    named = next((each for each in optimizers if wanted in (each.title(), each.name)), None)
    if named is not None or wanted != "Automatic":
        return named
    return next((each for each in optimizers if each.cmd_opt and getattr(command_line(), each.cmd_opt, False)), None)
