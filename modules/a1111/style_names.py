"""A1111's prompt styles, over styles.csv."""
from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from modules.a1111.app_slot import current
from modules.a1111.live import LiveDict
from modules.application.paths import styles_files
from modules.engine.styles import merge_style, read_styles


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
    style, text = style_text.strip(), prompt.strip()
    if "{prompt}" in style:
        before, after = style.split("{prompt}", 1)
        if text.startswith(before) and text.endswith(after) and len(text) >= len(before) + len(after):
            return True, text[len(before) : len(text) - len(after)]
    elif style and text.endswith(style):
        return True, text[: -len(style)].rstrip().removesuffix(",")
    return False, prompt


def extract_original_prompts(style: PromptStyle, prompt: str, negative_prompt: str) -> tuple[bool, str, str]:
    """(whether both prompts hold ``style``, both without it)."""
    if not style.prompt and not style.negative_prompt:
        return False, prompt, negative_prompt
    found, text = extract_style_text_from_prompt(style.prompt or "", prompt) if style.prompt else (True, prompt)
    found_negative, negative = extract_style_text_from_prompt(style.negative_prompt or "", negative_prompt) if style.negative_prompt else (True, negative_prompt)
    return (True, text, negative) if found and found_negative else (False, prompt, negative_prompt)


class StyleDatabase:
    """styles: name -> PromptStyle, as the files hold them now."""

    def __init__(self, paths: Any = None) -> None:
        self._paths = None if paths is None else [Path(each) for each in ([paths] if isinstance(paths, str) else paths)]
        self.no_style = PromptStyle("None", "", "", None)
        self.prompt_fields = ["name", "prompt", "negative_prompt"]
        self.styles = LiveDict(self._read)

    def _read(self) -> dict[str, PromptStyle]:
        found = read_styles(self._paths if self._paths is not None else styles_files(current().paths))
        return {each.name: PromptStyle(each.name, each.prompt, each.negative_prompt, str(each.path) if each.path else None) for each in found.values()}

    @property
    def paths(self) -> list[Path]:
        return list(self._paths if self._paths is not None else styles_files(current().paths))

    all_styles_files = paths

    @property
    def path(self) -> str:
        return str(self.paths[0]) if self.paths else ""

    default_path = path

    def reload(self) -> None:
        """The files are read whenever they are asked for."""

    def get_style_prompts(self, styles: Iterable[str]) -> list[str]:
        return [self.styles.get(each, self.no_style).prompt or "" for each in styles]

    def get_negative_style_prompts(self, styles: Iterable[str]) -> list[str]:
        return [self.styles.get(each, self.no_style).negative_prompt or "" for each in styles]

    def apply_styles_to_prompt(self, prompt: str, styles: Iterable[str]) -> str:
        return apply_styles_to_prompt(prompt, self.get_style_prompts(styles))

    def apply_negative_styles_to_prompt(self, prompt: str, styles: Iterable[str]) -> str:
        return apply_styles_to_prompt(prompt, self.get_negative_style_prompts(styles))

    def save_styles(self, path: str | None = None) -> None:
        """Styles are saved by the page."""

    def extract_styles_from_prompt(self, prompt: str, negative_prompt: str) -> tuple[list[str], str, str]:
        """(names of styles found in the prompts, both without them)."""
        found: list[str] = []
        for style in self.styles.values():
            is_in, text, negative = extract_original_prompts(style, prompt, negative_prompt)
            if is_in:
                found.append(style.name)
                prompt, negative_prompt = text, negative
        return found, prompt, negative_prompt
