"""Lists and dicts that extensions hold on to, filled anew each time they are looked at."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any


class LiveDict(dict[Any, Any]):
    """A dict of what ``source`` gives now; what is put in by hand stays beside it."""

    def __init__(self, source: Callable[[], Mapping[Any, Any]]) -> None:
        super().__init__()
        self._source = source
        self._own: dict[Any, Any] = {}

    @property
    def own(self) -> Mapping[Any, Any]:
        """What was put in by hand."""
        return self._own

    def _now(self) -> LiveDict:
        super().clear()
        super().update({**self._source(), **self._own})
        return self

    def __getitem__(self, key: Any) -> Any:
        return super(LiveDict, self._now()).__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._own[key] = value

    def setdefault(self, key: Any, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def __delitem__(self, key: Any) -> None:
        self._own.pop(key, None)

    def pop(self, key: Any, *default: Any) -> Any:
        value = self.get(key, *default)
        self._own.pop(key, None)
        return value

    def clear(self) -> None:
        self._own.clear()

    def update(self, *others: Any, **values: Any) -> None:
        self._own.update(*others, **values)

    def __contains__(self, key: object) -> bool:
        return super(LiveDict, self._now()).__contains__(key)

    def __iter__(self) -> Iterator[Any]:
        return super(LiveDict, self._now()).__iter__()

    def __len__(self) -> int:
        return super(LiveDict, self._now()).__len__()

    def get(self, key: Any, default: Any = None) -> Any:
        return super(LiveDict, self._now()).get(key, default)

    def keys(self) -> Any:
        return super(LiveDict, self._now()).keys()

    def values(self) -> Any:
        return super(LiveDict, self._now()).values()

    def items(self) -> Any:
        return super(LiveDict, self._now()).items()

    def copy(self) -> dict[Any, Any]:
        return dict(super(LiveDict, self._now()).items())

    def __or__(self, other: Any) -> dict[Any, Any]:
        return self.copy() | dict(other)

    def __ror__(self, other: Any) -> dict[Any, Any]:
        return dict(other) | self.copy()

    def __repr__(self) -> str:
        return repr(self.copy())


class LiveList(list[Any]):
    """What ``source`` gives now, told what was put in by hand, and that after it."""

    def __init__(self, source: Callable[[list[Any]], Iterable[Any]]) -> None:
        super().__init__()
        self._source = source

    def foreign(self) -> list[Any]:
        """What was put in by hand."""
        return list(super().__iter__())

    def __iter__(self) -> Iterator[Any]:
        by_hand = self.foreign()
        return iter([*self._source(by_hand), *by_hand])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, index: Any) -> Any:
        return list(self)[index]

    def __contains__(self, value: object) -> bool:
        return any(each is value for each in self)
