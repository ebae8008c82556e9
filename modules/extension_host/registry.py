"""Callbacks that strangers registered: in order, each called so that its failure stays its own."""
from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from modules.extension_host.missing_modules import importing_file, missing_module

log = logging.getLogger(__name__)
HOUSE = "base"  # the owner of what ships with the program, by A1111's name


@dataclass(frozen=True, kw_only=True)
class Callback:
    """One registered function. file: of the script that registered it. name: "owner/script.py/category", unique."""

    category: str
    callback: Callable[..., Any]
    file: str
    owner: str
    name: str

    @property
    def script(self) -> str:
        """A1111's word for ``file``."""
        return self.file


@dataclass(frozen=True, kw_only=True)
class OrderWish:
    """What a metadata.ini asks for a callback: to come before, or after, callbacks of these names."""

    name: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What an extension did wrong, and where: ``place`` is a hook or a file."""

    owner: str
    place: str
    sentence: str


@dataclass
class Troubles:
    """Everything that went wrong with extensions since the start. ``told``: hears of each new one, on the thread where it happened."""

    found: list[Trouble] = field(default_factory=list)
    told: list[Callable[[Trouble], None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note(self, owner: str, place: str, error: BaseException | str) -> Trouble:
        """Remember and log; the same trouble once."""
        words = error if isinstance(error, str) else sentence_of(error)
        trouble = Trouble(owner=owner, place=place, sentence=words)
        traceback = error if isinstance(error, BaseException) and not isinstance(error, SystemExit) else None
        with self._lock:
            if trouble in self.found:
                return trouble
            self.found.append(trouble)
        log.error("extension %s: %s: %s", owner, place, words, exc_info=traceback)
        for listener in tuple(self.told):
            listener(trouble)
        return trouble

    def forget(self, owner: str, file: str) -> None:
        """A script is over, or read again: what went wrong in it is no longer so."""
        with self._lock:
            self.found[:] = [each for each in self.found if each.owner != owner or file not in each.place]

    def of(self, owner: str) -> tuple[Trouble, ...]:
        with self._lock:
            return tuple(each for each in self.found if each.owner == owner)


def sentence_of(error: BaseException) -> str:
    """What happened, in one line."""
    if isinstance(error, SystemExit):
        return f"it asked the whole program to end (sys.exit, code {error.code}); that was refused"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return missing_module(error.name, importing_file(error))
    words = str(error).strip().splitlines()
    return f"{type(error).__name__}: {words[0][:400]}" if words else type(error).__name__


class Registry:
    """Callbacks by category. Any thread may add and call."""

    def __init__(self, troubles: Troubles) -> None:
        self.troubles = troubles
        self._lock = threading.RLock()
        self._callbacks: dict[str, list[Callback]] = {}
        self._ordered: dict[str, tuple[Callback, ...]] = {}
        self._wishes: tuple[OrderWish, ...] = ()
        self._preferred: Callable[[str], Sequence[str]] = lambda category: ()
        self.entering: Callable[[str], None] = lambda owner: None
        self.carry_out: Callable[[Callback, tuple[Any, ...]], Any] = plain_call

    def order_by(self, wishes: Iterable[OrderWish]) -> None:
        """wishes: from metadata.ini."""
        with self._lock:
            self._wishes = tuple(wishes)
            self._ordered.clear()

    def prefer(self, preferred: Callable[[str], Sequence[str]]) -> None:
        """preferred: category -> names that the user wants first, in that order. To be told again when they change."""
        with self._lock:
            self._preferred = preferred
            self._ordered.clear()

    def preferred(self, category: str) -> tuple[str, ...]:
        return tuple(self._preferred(category))

    def in_order(self, category: str, listed: Sequence[Callback], *, by_user: bool = True) -> tuple[Callback, ...]:
        """Callbacks that are not kept here, in the order that is wished for theirs."""
        with self._lock:
            return tuple(ordered(listed, self._wishes, self._preferred(category) if by_user else ()))

    def add(self, category: str, function: Callable[..., Any], *, file: str, owner: str, label: str | None = None) -> Callback:
        """Register; ``label`` distinguishes several callbacks of one script."""
        with self._lock:
            callback = named(self._callbacks.setdefault(category, []), category, function, file=file, owner=owner, label=label)
            self._ordered.pop(category, None)
            return callback

    def remove_file(self, file: str) -> None:
        """Forget everything that the script ``file`` registered."""
        self._keep(lambda each: each.file != file)

    def remove_function(self, function: Callable[..., Any]) -> None:
        self._keep(lambda each: each.callback is not function and each.callback != function)

    def clear(self) -> None:
        self._keep(lambda each: False)

    def ordered(self, category: str, *, by_user: bool = True) -> tuple[Callback, ...]:
        """The callbacks of ``category`` in the order in which they are called."""
        with self._lock:
            listed = self._callbacks.get(category, [])
            if not by_user:
                return tuple(ordered(listed, self._wishes, ()))
            if category not in self._ordered:
                self._ordered[category] = tuple(ordered(listed, self._wishes, self._preferred(category)))
            return self._ordered[category]

    @property
    def categories(self) -> Mapping[str, Sequence[Callback]]:
        with self._lock:
            return {name: tuple(listed) for name, listed in self._callbacks.items()}

    def call(self, category: str, *arguments: Any, backwards: bool = False, without: Sequence[Callback] = ()) -> list[tuple[Callback, Any]]:
        """Call each, but not those of ``without``; what one returns stands beside it, what one raises is noted and it is left out."""
        answers: list[tuple[Callback, Any]] = []
        listed = tuple(each for each in self.ordered(category) if each not in without)
        for each in reversed(listed) if backwards else listed:
            self.entering(each.owner)
            with contained(partial(self.troubles.note, each.owner, f"{Path(each.file).name}, {category}")):
                answers.append((each, self.carry_out(each, arguments)))
        return answers

    def _keep(self, wanted: Callable[[Callback], bool]) -> None:
        with self._lock:
            self._callbacks = {name: [each for each in listed if wanted(each)] for name, listed in self._callbacks.items()}
            self._ordered.clear()


@contextmanager
def contained(note: Callable[[BaseException], object]) -> Iterator[None]:
    """What a stranger's code raises inside ends here, given to ``note``. Ctrl+C, and what marks itself as flow control, goes on."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if getattr(error, "is_flow_control", False):
            raise
        note(error)


def plain_call(callback: Callback, arguments: tuple[Any, ...]) -> Any:
    return callback.callback(*arguments)


def named(listed: list[Callback], category: str, function: Callable[..., Any], *, file: str, owner: str, label: str | None = None) -> Callback:
    """Put a callback at the end of ``listed``, under a name that nobody there has."""
    base = "/".join(filter(None, (owner, Path(file).name, category, label)))
    taken = {each.name for each in listed}
    name = base if base not in taken else next(each for n in range(1, 10_000) if (each := f"{base}-{n}") not in taken)
    callback = Callback(category=category, callback=function, file=file, owner=owner, name=name)
    listed.append(callback)
    return callback


def ordered(listed: Sequence[Callback], wishes: Iterable[OrderWish], preferred: Sequence[str]) -> list[Callback]:
    """In the order of registration, moved as far as the wishes ask; what the user prefers first. Contradicting wishes are passed over."""
    by_name = {each.name: each for each in listed}
    known = {name.lower(): name for name in by_name}        # metadata.ini is read without regard to capitals
    after: dict[str, set[str]] = {name: set() for name in by_name}
    for wish in wishes:
        own = known.get(wish.name.lower())
        if own is None:
            continue
        after[own] |= {known[name.lower()] for name in wish.after if name.lower() in known}
        for name in wish.before:
            if name.lower() in known:
                after[known[name.lower()]].add(own)
    names = sorted_by_need(list(by_name), after)
    first = [name for name in dict.fromkeys(preferred) if name in by_name]
    return [by_name[name] for name in [*first, *(name for name in names if name not in first)]]


def sorted_by_need(names: Sequence[str], after: Mapping[str, Iterable[str]]) -> list[str]:
    """``names`` in their order, each behind those it must come after; a circle is broken where it is met."""
    done: list[str] = []
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        for other in sorted(after.get(name, ()), key=names.index):
            visit(other)
        done.append(name)

    for name in names:
        visit(name)
    return done
