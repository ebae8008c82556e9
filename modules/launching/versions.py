"""Version numbers and ranges as Python's packages write them (PEP 440), so that a start can check what is installed without pip."""
from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

_VERSION = re.compile(
    r"""\s*v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)
    (?:[-_.]?(?P<pre>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<pre_number>\d*))?
    (?P<post>-(?P<post_dash>\d+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_number>\d*))?
    (?P<dev>[-_.]?dev[-_.]?(?P<dev_number>\d*))?
    (?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*""",
    re.VERBOSE | re.IGNORECASE,
)
_CLAUSE = re.compile(r"\s*(===|==|!=|~=|>=|<=|>|<)\s*([^\s,]+)\s*")
_PRE_ORDER = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}


class VersionUnreadable(ValueError):
    """Text that is no version or no range."""


@total_ordering
@dataclass(frozen=True, kw_only=True)
class Version:
    """One release. ``pre``: (0 alpha, 1 beta, 2 candidate; number). ``local``: what follows ``+``, "" when nothing does."""

    epoch: int
    release: tuple[int, ...]
    pre: tuple[int, int] | None
    post: int | None
    dev: int | None
    local: str

    @property
    def order(self) -> tuple:
        """Compares as PEP 440 says: dev < pre < the release itself < post, and trailing zeros count for nothing."""
        before_release = self.pre is None and self.post is None and self.dev is not None
        pre = (-1, 0) if before_release else self.pre if self.pre is not None else (9, 0)
        post = -1 if self.post is None else self.post
        dev = (1, 0) if self.dev is None else (0, self.dev)
        return self.epoch, _without_trailing_zeros(self.release), pre, post, dev, _local_order(self.local)

    def public(self) -> Version:
        return Version(epoch=self.epoch, release=self.release, pre=self.pre, post=self.post, dev=self.dev, local="")

    def base(self) -> Version:
        return Version(epoch=self.epoch, release=self.release, pre=None, post=None, dev=None, local="")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.order == other.order

    def __hash__(self) -> int:
        return hash(self.order)

    def __lt__(self, other: Version) -> bool:
        return self.order < other.order


def read_version(text: str) -> Version:
    """``"2.13.0+cpu"`` -> Version. VersionUnreadable for anything else."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise VersionUnreadable(f"{text!r} is not a version number.")
    part = match.groupdict()
    pre = (_PRE_ORDER[part["pre"].lower()], int(part["pre_number"] or 0)) if part["pre"] else None
    return Version(
        epoch=int(part["epoch"] or 0),
        release=tuple(int(number) for number in part["release"].split(".")),
        pre=pre,
        post=int(part["post_dash"] or part["post_number"] or 0) if part["post"] else None,
        dev=int(part["dev_number"] or 0) if part["dev"] else None,
        local=re.sub(r"[-_]", ".", (part["local"] or "").lower()),
    )


def is_in_range(version: str, clauses: str) -> bool:
    """Whether the installed ``version`` meets ``clauses`` such as ``">=6.31,<7"``; no clause admits all. Installed
    pre-releases count as what they are. VersionUnreadable when either text cannot be read."""
    if not clauses.strip():
        return True
    return all(_meets(version, *_read_clause(clause)) for clause in clauses.split(",") if clause.strip())


def _read_clause(clause: str) -> tuple[str, str]:
    match = _CLAUSE.fullmatch(clause)
    if match is None:
        raise VersionUnreadable(f"{clause!r} is not a version range.")
    return match.group(1), match.group(2)


def _meets(version: str, operator: str, wanted: str) -> bool:
    if operator == "===":
        return version.strip().lower() == wanted.strip().lower()
    have = read_version(version)
    if wanted.endswith(".*"):
        if operator not in ("==", "!="):
            raise VersionUnreadable(f"{operator}{wanted} is not a version range.")
        return _has_prefix(have, read_version(wanted[:-2])) == (operator == "==")
    return _COMPARISONS[operator](have, read_version(wanted))


def _equal(have: Version, want: Version) -> bool:
    return (have if want.local else have.public()) == want


def _less(have: Version, want: Version) -> bool:
    """A pre-release of ``want`` itself does not count as less than it."""
    if not have < want:
        return False
    wants_early = want.pre is not None or want.dev is not None
    has_early = have.pre is not None or have.dev is not None
    return wants_early or not (has_early and have.base() == want.base())


def _greater(have: Version, want: Version) -> bool:
    """Neither a post-release nor a local build of ``want`` counts as greater than it."""
    if not have > want:
        return False
    if have.post is not None and want.post is None and have.base() == want.base():
        return False
    return not (have.local and have.base() == want.base())


def _compatible(have: Version, want: Version) -> bool:
    if len(want.release) < 2:
        raise VersionUnreadable("~= needs a version of at least two numbers.")
    prefix = Version(epoch=want.epoch, release=want.release[:-1], pre=None, post=None, dev=None, local="")
    return have.public() >= want and _has_prefix(have, prefix)


_COMPARISONS = {
    "==": _equal,
    "!=": lambda have, want: not _equal(have, want),
    ">=": lambda have, want: have.public() >= want,
    "<=": lambda have, want: have.public() <= want,
    "<": _less,
    ">": _greater,
    "~=": _compatible,
}


def _has_prefix(have: Version, prefix: Version) -> bool:
    padded = have.release + (0,) * (len(prefix.release) - len(have.release))
    return have.epoch == prefix.epoch and padded[: len(prefix.release)] == prefix.release


def _without_trailing_zeros(release: tuple[int, ...]) -> tuple[int, ...]:
    end = len(release)
    while end > 1 and release[end - 1] == 0:
        end -= 1
    return release[:end]


def _local_order(local: str) -> tuple:
    """No local part sorts first; within one, numbers sort above words."""
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in local.split(".")) if local else ()
