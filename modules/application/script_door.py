"""Where scripts take over the running of picture jobs. They live two floors up: ``webui.py`` puts their host in here."""
from __future__ import annotations

from typing import Any, Protocol

from modules.jobs.job import Job
from modules.schema.errors import InvalidValue
from modules.schema.request import Request

# Always-on scripts of A1111's without arguments, in small letters. What they do is the engine's and the page's here; requests copied from its page name them.
WITHOUT_ARGUMENTS = frozenset({"comments", "extra options", "hypertile"})


class ScriptHost(Protocol):
    """Whoever knows scripts."""

    def check(self, request: Request) -> None:
        """Refuse what ``request`` asks of scripts that do not exist, or that would not understand it. Raises InvalidValue."""
        ...

    def run(self, job: Job) -> tuple[Any, dict[str, Any]]:
        """Carry out a txt2img or img2img job on the worker thread: its Outcome and its summary."""
        ...

    def takes_batches(self) -> bool:
        """Whether ``run`` wants img2img's batches of pictures as a whole."""
        ...


class ScriptDoor:
    """Empty in a server without scripts; then a request that names one is refused."""

    def __init__(self) -> None:
        self.host: ScriptHost | None = None

    def takes_batches(self) -> bool:
        return self.host is not None and self.host.takes_batches()

    def check(self, request: Request, built_in: tuple[str, ...] = ()) -> None:
        """As ScriptHost.check. built_in: always-on scripts, in small letters, that need no host."""
        if self.host is not None:
            self.host.check(request)
            return
        unknown = [request.scripting.script_name] if request.scripting.script_name else []
        unknown += [name for name in request.scripting.alwayson_scripts if name.lower() not in {*built_in, *WITHOUT_ARGUMENTS}]
        if unknown:
            raise InvalidValue(f"Script {unknown[0][:80]!r} not found", field="script_name" if request.scripting.script_name else "alwayson_scripts")
