"""Extensions from an address: cloned beside the others, whole or not at all. They run at the next start."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from modules.schema.errors import InvalidValue, WebuiError
from modules.schema.flags import Flags

SECONDS = 600
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def refusal(flags: Flags, *, has_password: bool) -> str:
    """Why this server installs nothing, in words; "" when it does. An extension is a program: whoever may install one owns the machine."""
    if flags.disable_extra_extensions or flags.disable_all_extensions:
        return "Extensions are switched off on the command line (--disable-extra-extensions or --disable-all-extensions)."
    reachable = bool(flags.share or flags.listen or flags.ngrok or (flags.server_name and flags.server_name not in ("127.0.0.1", "localhost", "::1")))
    if flags.enable_insecure_extension_access or not reachable or has_password:
        return ""
    return ("Others can reach this server and no password is set, so nothing is installed or started anew from here. Start it without --listen or --share, "
            "ask for a password with --gradio-auth name:password, or allow it with --enable-insecure-extension-access.")


def install_from_url(url: str, folder: Path, *, name: str = "", branch: str = "") -> Path:
    """Clone ``url`` into ``folder``/``name``; name "": from the address. Returns the new folder. Raises InvalidValue, WebuiError."""
    url = url.strip()
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http", "ssh", "git") or not parts.netloc or any(ord(letter) < 33 for letter in url):
        raise InvalidValue(f"{url[:200]!r} is no address of a git repository.", "It begins with https://, as on the repository's page.", field="url")
    name = name.strip() or Path(parts.path.rstrip("/")).name.removesuffix(".git")
    if not _NAME.fullmatch(name):
        raise InvalidValue(f"An extension's folder cannot be called {name[:100]!r}.", "Use letters, digits, dots and dashes.", field="name")
    if branch and (branch.startswith("-") or not re.fullmatch(r"[\w./-]{1,200}", branch)):
        raise InvalidValue(f"{branch[:100]!r} is no name of a branch.", field="branch")
    target = folder / name
    if target.exists():
        raise InvalidValue(f"There is an extension in the folder {name} already.", "Remove it first, or give another name.", field="name")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".installing-") as temporary:
        cloned = Path(temporary) / name
        command = [os.environ.get("GIT", "git"), "clone", "--filter=blob:none", *(["--branch", branch] if branch else []), "--", url, str(cloned)]
        _run(command, url)
        shutil.move(str(cloned), str(target))
    return target


def _run(command: list[str], url: str) -> None:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, env=environment, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise WebuiError("git is not installed, so nothing can be cloned.", "Install git, or unpack the extension into the folder extensions yourself.") from None
    except subprocess.TimeoutExpired:
        raise WebuiError(f"Cloning {url} took more than {SECONDS // 60} minutes and was stopped.", "Try again.") from None
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise WebuiError(f"{url} could not be cloned: {last[:300]}.", "Look at the address, and whether this machine reaches it.")
