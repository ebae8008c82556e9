"""SETTINGS: every setting, in screen order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from modules.schema.errors import UnknownName
from modules.schema.setting import Section, Setting
from modules.schema.settings import extras, generation, interface, performance, saving

# Texts of A1111's Settings page, which its API and its config.json list among the settings: programs that keep all that they were told send these too.
TEXTS_OF_A1111S_PAGE = frozenset({"hypertile_explanation", "infotext_explanation", "profiling_explanation", "sd_vae_explanation", "settings_in_ui"})


@dataclass(frozen=True)
class SettingsTable:
    """Settings by key, by infotext key, by section."""

    sections: tuple[Section, ...]

    def __iter__(self) -> Iterator[Setting]:
        return (each for section in self.sections for each in section.settings)

    def __len__(self) -> int:
        return len(self.by_key)

    def __contains__(self, key: object) -> bool:
        return key in self.by_key

    @cached_property
    def by_key(self) -> dict[str, Setting]:
        return {each.key: each for each in self}

    @cached_property
    def by_infotext(self) -> dict[str, Setting]:
        """Settings that infotext carries, by its key ("Clip skip")."""
        return {each.infotext: each for each in self if each.infotext}

    @cached_property
    def axes(self) -> dict[str, Setting]:
        """Settings that the X/Y/Z plot varies, by axis name."""
        return {each.axis: each for each in self if each.axis}

    def is_none(self, key: str, value: object) -> bool:
        """Whether what a program sends sets nothing, and is no mistake: null where that is no value, or a text that A1111 lists among its settings."""
        known = self.by_key.get(key)
        if value is None:
            return known is None or known.default is not None
        return known is None and key in TEXTS_OF_A1111S_PAGE

    def find(self, key: str) -> Setting:
        """Raises UnknownName, which lists the nearest keys."""
        if key not in self.by_key:
            raise UnknownName("setting", key, self.by_key)
        return self.by_key[key]

    def with_section(self, section: Section) -> SettingsTable:
        """A table that has ``section`` too, as an extension adds it; its settings replace older ones of the same key.

        Settings of a section that is there already (same id and title) join it.
        """
        new = {each.key for each in section.settings}
        kept = [replace(each, settings=tuple(one for one in each.settings if one.key not in new)) for each in self.sections]
        for place, each in enumerate(kept):
            if (each.id, each.title) == (section.id, section.title):
                kept[place] = replace(each, settings=(*each.settings, *section.settings))
                return SettingsTable(tuple(kept))
        return SettingsTable((*kept, section))


SETTINGS = SettingsTable(saving.SECTIONS + generation.SECTIONS + performance.SECTIONS + interface.SECTIONS + extras.SECTIONS)
