"""Where this server keeps things: A1111's places, from the flags."""
from __future__ import annotations

import glob
import os
import re
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modules.schema.flag_table import SCRIPT_PATH

if TYPE_CHECKING:
    from modules.schema.flags import Flags

_CODE_FOLDERS = ("modules", "extensions", "extensions-builtin", "scripts", "javascript", "localizations", "venv", ".git", "tests", ".ci")


@dataclass(frozen=True, kw_only=True)
class Paths:
    """All absolute. script_dir: the program. data_dir: what the user owns (the same folder unless --data-dir says otherwise)."""

    script_dir: Path
    data_dir: Path
    models_dir: Path
    config_file: Path
    ui_config_file: Path
    params_txt: Path
    cache_dir: Path
    jobs_file: Path
    styles_files: tuple[str, ...]

    @property
    def outputs_dir(self) -> Path:
        return self.data_dir / "outputs"

    @property
    def checkpoints_dir(self) -> Path:
        """Where a user puts checkpoints."""
        return self.models_dir / "Stable-diffusion"

    @property
    def notification_sound(self) -> Path | None:
        """The user's sound for finished jobs; None when there is none."""
        return next((path for folder in (self.data_dir, self.script_dir) if (path := folder / "notification.mp3").is_file()), None)

    def output_folder(self, text: str) -> Path:
        """A folder as a setting or a person names it: absolute, or relative to the data folder; in quotes, as Windows copies it as a path."""
        return Path(os.path.abspath(self.data_dir / os.path.expanduser(_as_here(_unquoted(text)))))

    def is_code_folder(self, folder: Path) -> bool:
        """Whether programs are loaded from ``folder`` or from around it, so that no picture may be written there."""
        real = _comparable(folder)
        bases = {_comparable(self.script_dir), _comparable(self.data_dir)}
        for base in bases:
            if real == base or any(real == base / name or base / name in real.parents for name in _CODE_FOLDERS):
                return True
        loaded = {_comparable(sysconfig.get_path(each)) for each in ("stdlib", "purelib", "platlib")}      # Python's own packages
        return any(real == each or each in real.parents for each in loaded) or real in _comparable(self.script_dir).parents


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def _as_here(text: str) -> str:
    """A relative folder in a config.json that came from Windows ("outputs\\txt2img-images", as A1111 writes it there) by this system's rules."""
    written_here = os.sep == "\\" or text.startswith(("/", "~")) or re.match("[A-Za-z]:", text)
    return text if written_here else text.replace("\\", "/")


def _comparable(folder: Path | str) -> Path:
    """Its real place, in small letters: some file systems do not tell "Extensions" from "extensions"."""
    return Path(os.path.realpath(folder).casefold())


def paths_from_flags(flags: Flags) -> Paths:
    """The places for these flags. Nothing is made or looked at."""
    data_dir = Path(flags.data_dir).absolute()
    return Paths(
        script_dir=Path(SCRIPT_PATH),
        data_dir=data_dir,
        models_dir=Path(flags.models_path).absolute(),
        config_file=Path(flags.ui_settings_file).absolute(),
        ui_config_file=Path(flags.ui_config_file).absolute(),
        params_txt=data_dir / "params.txt",
        cache_dir=data_dir / "cache",
        jobs_file=data_dir / "cache" / "jobs.sqlite3",
        styles_files=flags.styles_file,
    )


def styles_files(paths: Paths) -> list[Path]:
    """The styles files of the flags, patterns with ``*`` filled in."""
    found: list[Path] = []
    for text in paths.styles_files:
        found += [Path(each) for each in sorted(glob.glob(text))] if "*" in text else [Path(text)]
    return found


def own_styles_file(paths: Paths) -> Path:
    """Where new styles go: the first of the flags that is no pattern."""
    plain = [Path(text) for text in paths.styles_files if "*" not in text]
    return plain[0] if plain else next(iter(styles_files(paths)), paths.data_dir / "styles.csv")
