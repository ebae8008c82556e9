"""ExtensionHost: the extensions of one server, what they registered, and what went wrong with them."""
from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from modules.extension_host.crashes import StartDiary
from modules.extension_host.discover import LOOSE, Extension, Switches, find_extensions
from modules.extension_host.limits import limited
from modules.extension_host.registry import HOUSE, Registry, Troubles, contained, plain_call


@dataclass
class LoadFacts:
    """What the load of one extension was like. seconds: its scripts' import. stubs: names it used that do nothing here; shims: Gradio 3 words.

    stood_in: packages it asked for that are not installed, and of which the program has a part. notes: what else is to be known.
    """

    scripts: list[str] = field(default_factory=list)
    seconds: float = 0.0
    stubs: set[str] = field(default_factory=set)
    shims: set[str] = field(default_factory=set)
    stood_in: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def file_of(function: Any) -> str:
    """Where its code stands; this file, which is the program's, for what has none (a class, something written in C)."""
    plain = getattr(function, "__func__", function)
    return str(getattr(getattr(plain, "__code__", None), "co_filename", __file__))


class ExtensionHost:
    """Lives as long as the server.

    extensions: all that are installed, switched off ones too. loose: folders of single files that belong to none, of Python and for the page. entering: told whose code runs next while the server starts.
    extra_flags: what preload.py files added to the command line. choices: source name -> texts, for settings of extensions. shown_files: what they want shown on the page, wherever it lies.
    command_line, demo: A1111's ``cmd_opts`` and the page, as extensions get them. theme: the page's, by its name. current_scripts: the scripts whose tab is being built.
    panels: what builds scripts' controls where an extension has a tab of its own for them; there while there is a page.
    find_loose: looks for the folders of single files anew; find_newcomers: for extensions that can join a running server. executed: script files, and when each had last been changed before it was.
    """

    def __init__(self) -> None:
        self.extensions: tuple[Extension, ...] = ()
        self.loose: tuple[Extension, ...] = ()
        self.troubles = Troubles()
        self.registry = Registry(self.troubles)
        self.facts: dict[str, LoadFacts] = {}
        self.notices: list[str] = []
        self.entering: Callable[[str], None] = lambda owner: None
        self.extra_flags: Mapping[str, Any] = {}
        self.command_line: Any = None
        self.demo: Any = None
        self.theme: tuple[str, Any] | None = None
        self.current_scripts: Any = None
        self.panels: Any = None
        self.choices: dict[str, Callable[[], Sequence[Any]]] = {}
        self.shown_files: set[Path] = set()
        self.executed: dict[Path, int] = {}
        self.find_loose: Callable[[], tuple[Extension, ...]] = lambda: self.loose
        self.find_newcomers: Callable[[], tuple[Extension, ...]] = tuple
        self._loading = threading.local()
        self._roots: list[tuple[str, Extension]] = []
        self._owning: dict[str, Extension | None] = {}      # asked of the same few files for each control of the page
        self._diary: StartDiary | None = None

    def take(self, extensions: Iterable[Extension], loose: Iterable[Extension] = ()) -> None:
        """These are the extensions and folders of single files of this start."""
        self.extensions = tuple(extensions)
        self.loose = tuple(loose)
        self._owning = {}
        self._roots = [(os.path.realpath(each.path) + os.sep, each) for each in (*self.extensions, *self.loose)]
        self.registry.order_by(wish for each in self.enabled for wish in each.callback_order)

    def with_newcomers(self, folder: Path) -> tuple[Extension, ...]:
        """Those that run, then those that came into ``folder`` since."""
        known = {each.path for each in self.extensions}
        return (*self.extensions, *(each for each in find_extensions(folder, Switches()) if each.path not in known))

    @property
    def enabled(self) -> tuple[Extension, ...]:
        return tuple(each for each in self.extensions if each.is_enabled)

    @property
    def has_code(self) -> bool:
        """Strangers' code takes part in this start."""
        return bool(self.enabled or any(each.is_enabled and each.name == LOOSE for each in self.loose))

    def owning(self, file: str | Path) -> Extension | None:
        """The extension that ``file`` belongs to."""
        name = os.fspath(file)
        if name not in self._owning:
            real = os.path.realpath(name)
            self._owning[name] = next((extension for root, extension in self._roots if real.startswith(root)), None)
        return self._owning[name]

    def owner_of(self, file: str | Path) -> str:
        """Its canonical name, or "base" for files of the program."""
        extension = self.owning(file)
        return extension.canonical_name if extension else HOUSE

    def facts_of(self, owner: str) -> LoadFacts:
        return self.facts.setdefault(owner, LoadFacts())

    def watched_by(self, diary: StartDiary) -> None:
        """From now until ``started``: whose code runs is written down, so that the next start knows who ended this one."""
        folder = {each.canonical_name: each.name for each in (*self.extensions, *self.loose)}

        def entering(owner: str) -> None:
            diary.enter(folder.get(owner, ""))

        self._diary = diary
        self.entering = self.registry.entering = entering
        self.registry.carry_out = lambda callback, arguments: limited(lambda: callback.callback(*arguments), what=callback.name)

    def started(self) -> None:
        """The start is over."""
        if self._diary is not None:
            self._diary.close()
        self.entering = self.registry.entering = lambda owner: None
        self.registry.carry_out = plain_call

    @property
    def base_folder(self) -> Path | None:
        """The folder of the extension whose file is being loaded on this thread; None when none is."""
        return getattr(self._loading, "folder", None)

    @contextmanager
    def loading(self, folder: Path) -> Iterator[None]:
        """While files of ``folder`` are loaded on this thread."""
        before = self.base_folder
        self._loading.folder = folder
        try:
            yield
        finally:
            self._loading.folder = before

    @contextmanager
    def guarded(self, owner: str, place: str) -> Iterator[None]:
        """What is raised inside is noted as trouble of ``owner``; the program goes on."""
        with contained(partial(self.troubles.note, owner, place)):
            yield
