"""What a maintainer asks for when something goes wrong: machine, versions, flags, settings, extensions. No secret is in it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import re
import sys
import time
from collections.abc import Mapping
from importlib.metadata import distributions
from typing import Any

from modules.application.app import App
from modules.application.version import NAME, VERSION
from modules.compute.hardware import machine_memory

SECRET_FLAGS = frozenset({"gradio_auth", "gradio_auth_path", "api_auth", "ngrok", "ngrok_options", "tls_keyfile", "tls_certfile"})
HIDDEN = "(hidden)"
_SECRET_NAME = re.compile(r"(api[_-]?key|token|secret|passw|credential|auth(?!or)|cookie|license[_-]?key)", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"^(hf_|sk-|ghp_|github_pat_|civitai)[\w-]{8,}|://[^/@\s]+:[^/@\s]+@")
_CHECKSUM = "checksum"
_NO_SECRETS = ("token_merging", "token_counters", "tokens", "directories_max_prompt_words")  # of our own settings, despite their names


def system_report(app: App) -> dict[str, Any]:
    """JSON values, where A1111 has the same under names and in forms of its own; the checksum is over the text of ``report_text`` without it."""
    flags, extensions = _flags(app), app.extensions.extensions
    report: dict[str, Any] = {
        "Program": NAME,
        "Version": VERSION,
        "Platform": platform.platform(),
        "Python": sys.version.split()[0],
        "Script path": str(app.paths.script_dir),
        "Data path": str(app.paths.data_dir),
        "Models path": str(app.paths.models_dir),
        "Commandline": ["webui.py", *(word for name, value in flags.items() for word in _words(name, value))],
        "Flags": flags,
        "Device": {"device": app.policy.device, "reasons": [str(each) for each in app.policy.choices],
                   "flags": [str(each) for each in app.policy.flag_lines], **_plain(dataclasses.asdict(app.hardware))},
        "CPU": {"model": platform.processor() or platform.machine(), "count logical": os.cpu_count()},
        "RAM": {"total": f"{machine_memory() / 2**30:.1f} GB"},
        "Models": {
            "checkpoints": len(app.catalogue.checkpoints()),
            "vaes": len(app.catalogue.vaes()),
            "loras": len(app.catalogue.loras()),
            "embeddings": len(app.catalogue.embeddings()),
        },
        "Extensions": [{"name": each.name, "path": str(each.path)} for each in extensions if each.is_enabled],
        "Inactive extensions": [{"name": each.name, "path": str(each.path)} for each in extensions if not each.is_enabled],
        "Notices": list(app.notices),
        "Config": without_secrets(app.settings.changed()),
        "Packages": sorted({f"{each.name}=={each.version}" for each in distributions() if each.name}, key=str.casefold),
    }
    report = _without_home(report, os.path.expanduser("~").rstrip("/\\"))
    return {**report, _CHECKSUM: _checksum(report)}


def _without_home(value: Any, home: str) -> Any:
    """``value`` with the user's own folder written as "~": reports are shown to strangers."""
    if isinstance(value, Mapping):
        return {key: _without_home(each, home) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_home(each, home) for each in value]
    return value.replace(home, "~") if isinstance(value, str) and home else value


def report_name() -> str:
    """A1111's, for a file."""
    return time.strftime("sysinfo-%Y-%m-%d-%H-%M.json")


def report_text(report: Mapping[str, Any]) -> str:
    return json.dumps(report, indent=4)


def report_is_unchanged(text: str) -> bool:
    """Whether a report's text is as the program wrote it. False for anything else."""
    try:
        report = json.loads(text)
    except (ValueError, RecursionError):
        return False
    if not isinstance(report, dict):
        return False
    given = report.pop(_CHECKSUM, None)
    return isinstance(given, str) and given == _checksum(report)


def without_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with everything hidden that by its name or look is a password, a key or a token."""
    return {key: HIDDEN if _is_secret(key, value) else value for key, value in values.items()}


def _is_secret(key: str, value: Any) -> bool:
    if isinstance(value, str) and _SECRET_VALUE.search(value):
        return True
    is_ours = any(each in key for each in _NO_SECRETS)
    return bool(value) and not isinstance(value, bool | int | float) and not is_ours and bool(_SECRET_NAME.search(key))


def _flags(app: App) -> dict[str, Any]:
    """The flags that were given, by name."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(app.flags):
        value = getattr(app.flags, field.name)
        if value not in (None, False, ()) and value != field.default:
            found[field.name] = HIDDEN if field.name in SECRET_FLAGS or _is_secret(field.name, value) else _plain(value)
    return found


def _words(name: str, value: Any) -> list[str]:
    """A flag as it is typed."""
    values = [] if value is True else value if isinstance(value, list) else [value]
    return ["--" + name.replace("_", "-"), *map(str, values)]


def _plain(value: Any) -> Any:
    """``value`` as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _checksum(report: Mapping[str, Any]) -> str:
    return hashlib.sha256(report_text(report).encode()).hexdigest()
