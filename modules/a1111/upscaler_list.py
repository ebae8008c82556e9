"""``shared.sd_upscalers``: ours, and those of extensions, which stand in all lists of upscalers and enlarge for everybody."""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import Any

from modules.a1111.app_slot import current, is_occupied
from modules.a1111.upscaling import OursAsUpscaler, Upscaler, UpscalerData
from modules.engine.upscale import PictureUpscaler

_of_kinds: list[UpscalerData] = []


class _Upscalers(list[Any]):
    """Its own items are those that were put in by hand."""

    def foreign(self) -> list[Any]:
        return [*_of_kinds, *super().__iter__()]

    def __iter__(self) -> Iterator[Any]:
        foreign = self.foreign()
        names = {each.name for each in foreign}
        ours = [UpscalerData(each.name, None, OursAsUpscaler(each.name, each.enlarge), 4) for each in _known() if each.name not in names]
        return iter([*ours, *foreign])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index]

    def __contains__(self, value: object) -> bool:
        return any(each is value for each in self)


def _known() -> Iterable[PictureUpscaler]:
    return current().upscalers.known().for_pictures if is_occupied() else ()


sd_upscalers = _Upscalers()


def load_upscalers() -> None:
    """Make one of each subclass of ``Upscaler`` in extensions, and list what they offer. Of a script that was read again the newest counts."""
    kinds = {str(each): each for each in Upscaler.__subclasses__() if each.__module__ != Upscaler.__module__}
    _of_kinds[:] = [data for kind in kinds.values() for data in _offered(kind)]
    current().upscalers.others[:] = [_for_the_house]


def _offered(kind: Any) -> list[UpscalerData]:
    host = current().extensions
    file = next((each.__code__.co_filename for each in vars(kind).values() if isinstance(each, FunctionType)), "")
    with host.guarded(host.owner_of(file), f"upscaler {kind.__name__}"):
        return list((kind(kind.user_path or "") if kind.__init__.__code__.co_argcount > 1 else kind()).scalers)
    return []


def _for_the_house() -> list[PictureUpscaler]:
    return [PictureUpscaler(name=each.name, enlarge=lambda picture, factor, each=each: each.scaler.upscale(picture, factor, each.data_path)) for each in sd_upscalers.foreign()]
