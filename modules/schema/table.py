"""The parameters of each tab as one ordered table: by API name, by infotext key, by axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from modules.schema.errors import UnknownName
from modules.schema.param import ParamEntry, walk
from modules.schema.params_extras import ExtrasRequest
from modules.schema.params_training import NewEmbedding, NewHypernetwork, TrainingRequest
from modules.schema.request import Img2ImgRequest, Txt2ImgRequest


@dataclass(frozen=True)
class ParameterTable:
    """All parameters of one request class. ``tab``: "txt2img", "img2img", "extras" or "train"."""

    tab: str
    request_class: type[Any]

    @cached_property
    def entries(self) -> tuple[ParamEntry, ...]:
        return tuple(walk(self.request_class))

    def __iter__(self) -> Iterator[ParamEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def _by_api_name(self) -> dict[str, ParamEntry]:
        return {entry.api_name: entry for entry in self.entries}

    @cached_property
    def _by_infotext(self) -> dict[str, ParamEntry]:
        return {entry.info.infotext: entry for entry in self.entries if entry.info.infotext}

    def by_api_name(self, name: str) -> ParamEntry:
        """Raises UnknownName."""
        if name not in self._by_api_name:
            raise UnknownName(f"{self.tab} parameter", name, self._by_api_name)
        return self._by_api_name[name]

    def by_infotext(self, key: str) -> ParamEntry | None:
        """The parameter written under ``key`` ("Size-1"), or None: settings and extensions have keys too."""
        return self._by_infotext.get(key)

    @cached_property
    def axes(self) -> dict[str, ParamEntry]:
        """Parameters that the X/Y/Z plot varies, by axis name."""
        return {entry.info.axis: entry for entry in self.entries if entry.info.axis}


TXT2IMG = ParameterTable("txt2img", Txt2ImgRequest)
IMG2IMG = ParameterTable("img2img", Img2ImgRequest)
EXTRAS = ParameterTable("extras", ExtrasRequest)
TRAIN, NEW_EMBEDDING, NEW_HYPERNETWORK = (ParameterTable("train", each) for each in (TrainingRequest, NewEmbedding, NewHypernetwork))
TABLES = {table.tab: table for table in (TXT2IMG, IMG2IMG)}
