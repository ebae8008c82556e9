"""A1111's prompt styles, over styles.csv."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from modules.a1111.app_slot import current
from modules.a1111.live import LiveDict
from modules.application.paths import own_styles_file, styles_files
from modules.engine.styles import Style, change_styles, find_styles, merge_style, read_styles, without_style


class PromptStyle(NamedTuple):
    name: str
    prompt: str | None
    negative_prompt: str | None
    path: str | None = None


def merge_prompts(style_prompt: str, prompt: str) -> str:
    return merge_style(style_prompt, prompt)


def apply_styles_to_prompt(prompt: str, styles: Iterable[str]) -> str:
    """``styles``: their texts."""
    for text in styles:
        prompt = merge_style(text, prompt)
    return prompt


def extract_style_text_from_prompt(style_text: str, prompt: str) -> tuple[bool, str]:
    """(whether ``prompt`` holds the style, the prompt without it)."""
    without = without_style(style_text, prompt)
    return (False, prompt) if without is None else (True, without)


def extract_original_prompts(style: PromptStyle, prompt: str, negative_prompt: str) -> tuple[bool, str, str]:
    """(whether both prompts hold ``style``, both without it)."""
    if not style.prompt and not style.negative_prompt:
        return False, prompt, negative_prompt
    found, text = extract_style_text_from_prompt(style.prompt or "", prompt)
    found_negative, negative = extract_style_text_from_prompt(style.negative_prompt or "", negative_prompt)
    return (True, text, negative) if found and found_negative else (False, prompt, negative_prompt)


class _Styles(LiveDict):
    """Those of the files, with what was put in or taken out since the last ``save_styles`` or ``reload``."""

    def __init__(self, source: Callable[[], dict[str, PromptStyle]]) -> None:
        super().__init__(lambda: {name: style for name, style in source().items() if name not in self.gone})
        self.gone: set[str] = set()

    def __setitem__(self, key: Any, value: Any) -> None:
        self.gone.discard(key)
        super().__setitem__(key, value)

    def __delitem__(self, key: Any) -> None:
        if key not in self:
            raise KeyError(key)
        super().__delitem__(key)
        self.gone.add(key)

    def pop(self, key: Any, *default: Any) -> Any:
        value = super().pop(key, *default)
        self.gone.add(key)
        return value

    def clear(self) -> None:
        self.gone |= set(self)
        super().clear()

    def update(self, *others: Any, **values: Any) -> None:
        self.gone -= set(dict(*others, **values))
        super().update(*others, **values)

    def taken(self) -> tuple[dict[str, PromptStyle], set[str]]:
        """(what was put in, the names of what was taken out): nothing of both from now on."""
        changes, gone = dict(self._own), set(self.gone)
        self._own.clear()
        self.gone.clear()
        return changes, gone


class StyleDatabase:
    """styles: name -> PromptStyle, as the files hold them now, and what extensions made of them meanwhile."""

    def __init__(self, paths: Any = None) -> None:
        self._paths = None if paths is None else [Path(each) for each in ([paths] if isinstance(paths, str) else paths)]
        self.no_style = PromptStyle("None", "", "", None)
        self.prompt_fields = ["name", "prompt", "negative_prompt"]
        self.styles = _Styles(self._read)

    def _read(self) -> dict[str, PromptStyle]:
        found = read_styles(self._paths if self._paths is not None else styles_files(current().paths))
        return {each.name: PromptStyle(each.name, each.prompt, each.negative_prompt, str(each.path) if each.path else None) for each in found.values()}

    @property
    def paths(self) -> list[Path]:
        return list(self._paths if self._paths is not None else styles_files(current().paths))

    all_styles_files = paths

    @property
    def path(self) -> str:
        return str(self._own_file())

    default_path = path

    def reload(self) -> None:
        """The files are read whenever they are asked for; what was not saved is forgotten."""
        self.styles.taken()

    def get_style_prompts(self, styles: Iterable[str]) -> list[str]:
        return [self.styles.get(each, self.no_style).prompt or "" for each in styles]

    def get_negative_style_prompts(self, styles: Iterable[str]) -> list[str]:
        return [self.styles.get(each, self.no_style).negative_prompt or "" for each in styles]

    def apply_styles_to_prompt(self, prompt: str, styles: Iterable[str]) -> str:
        return apply_styles_to_prompt(prompt, self.get_style_prompts(styles))

    def apply_negative_styles_to_prompt(self, prompt: str, styles: Iterable[str]) -> str:
        return apply_styles_to_prompt(prompt, self.get_negative_style_prompts(styles))

    def save_styles(self, path: str | None = None) -> None:
        """Write what was put into ``styles`` and taken out of it since, each to its own file; ``path`` means nothing any more, as in A1111.

        What else the files hold stays. Raises StorageError.
        """
        before = self._read()
        put_in, gone = self.styles.taken()
        files: dict[Path, dict[str, Style | None]] = {}
        for name in gone & before.keys():
            files.setdefault(Path(before[name].path or self.path), {})[name] = None
        for name, style in put_in.items():
            place = Path(style.path or (before[name].path if name in before else None) or self.path)
            files.setdefault(place, {})[name] = Style(name=style.name, prompt=style.prompt or "", negative_prompt=style.negative_prompt or "", path=place)
        for place, changes in files.items():
            change_styles(place, changes)

    def _own_file(self) -> Path:
        """Where new styles go."""
        if self._paths is None:
            return own_styles_file(current().paths)
        return self._paths[0] if self._paths else current().paths.data_dir / "styles.csv"

    def extract_styles_from_prompt(self, prompt: str, negative_prompt: str) -> tuple[list[str], str, str]:
        """(names of styles found in the prompts, both without them)."""
        styles = [Style(name=each.name, prompt=each.prompt or "", negative_prompt=each.negative_prompt or "") for each in self.styles.values()]
        return find_styles(prompt, negative_prompt, styles)
