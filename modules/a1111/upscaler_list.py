"""``shared.sd_upscalers``: ours, and those of extensions, which stand in all lists of upscalers and enlarge for everybody."""
from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import Any

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.live import LiveList
from modules.a1111.upscaling import OursAsUpscaler, Upscaler, UpscalerData
from modules.engine.upscale import PictureUpscaler

_of_kinds: list[UpscalerData] = []


def _known(by_hand: list[Any]) -> Iterator[Any]:
    names = {each.name for each in (*_of_kinds, *by_hand)}
    known = current().upscalers.known().for_pictures if is_occupied() else ()
    return iter([*(UpscalerData(each.name, None, OursAsUpscaler(each.name, each.enlarge), 4) for each in known if each.name not in names), *_of_kinds])


sd_upscalers = LiveList(_known)


def load_upscalers() -> None:
    """Make one of each subclass of ``Upscaler`` in extensions, and list what they offer. Of a script that was read again the newest counts."""
    kinds = {str(each): each for each in Upscaler.__subclasses__() if not each.__module__.startswith("modules.a1111.")}
    _of_kinds[:] = [data for kind in kinds.values() for data in _offered(kind)]
    current().upscalers.others[:] = [_for_the_house]


def _offered(kind: Any) -> list[UpscalerData]:
    host = current().extensions
    file = next((each.__code__.co_filename for each in vars(kind).values() if isinstance(each, FunctionType)), "")
    with host.guarded(host.owner_of(file), f"upscaler {kind.__name__}"):
        return list((kind(kind.user_path or "") if kind.__init__.__code__.co_argcount > 1 else kind()).scalers)
    return []


def _for_the_house() -> list[PictureUpscaler]:
    return [PictureUpscaler(name=each.name, enlarge=lambda picture, factor, each=each: each.scaler.upscale(picture, factor, each.data_path)) for each in (*_of_kinds, *sd_upscalers.foreign())]
