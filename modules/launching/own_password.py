"""A server that others can reach asks for a password: the one of the command line, else one that it makes up and keeps."""
from __future__ import annotations

import os
import re
import secrets
from dataclasses import replace
from pathlib import Path

from modules.files.atomic import write_text
from modules.files.storage import StorageError
from modules.schema.flags import Flags

USER = "webui"
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"      # none that looks like another: somebody types it on a phone
_LENGTH = 16                        # 80 bits
_KEPT = re.compile(rf"[{_LETTERS}]{{{_LENGTH}}}")


def needs_own_password(flags: Flags) -> bool:
    """Whether strangers could come in: others reach the server, nobody set a password, and nobody said that this is wanted."""
    given = flags.gradio_auth or flags.gradio_auth_path or (flags.nowebui and flags.api_auth)
    return flags.others_can_reach and not given and not flags.listen_without_password


def with_own_password(flags: Flags) -> tuple[Flags, str]:
    """(the flags with a password in them, what to tell whoever started the server); the flags as they are and "" where none is needed."""
    if not needs_own_password(flags):
        return flags, ""
    file = Path(flags.data_dir) / "cache" / "password.txt"
    password = _kept(file) or _new(file)
    told = (f"Others can reach this server, so it asks for a name and a password: {USER} / {password}\n"
            "Choose your own with --gradio-auth name:password; --listen-without-password lets everybody in.")
    return replace(flags, gradio_auth=f"{USER}:{password}"), told


def _kept(file: Path) -> str:
    """That of the last start, so that browsers may remember it."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
    return text if _KEPT.fullmatch(text) else ""


def _new(file: Path) -> str:
    password = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))       # its mode is kept by what follows
        os.chmod(file, 0o600)
        write_text(file, password + "\n")
    except (OSError, StorageError):
        pass                            # another one at the next start
    return password
