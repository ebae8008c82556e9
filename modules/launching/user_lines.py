"""The statements of a shell script and of a batch file, told apart as their systems would: what is set in them, word by word. Nothing is run."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_SHELL_PIECE = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*"|\$\((?:[^()]|\([^()]*\))*\)|`[^`]*`|(?P<comment>(?<![^\s;&|])\#[^\n]*)|(?P<end>&&|\|\||[;\n&|])|(?P<blank>[^\S\n]+)|.""", re.DOTALL)
_SHELL_SET = re.compile(rf"({NAME})(\+?)=(.*)", re.DOTALL)
_OPENINGS = frozenset({"then", "else", "do", "{", "("})
_EXPORTS = frozenset({"export", "declare", "typeset", "readonly"})
_CONDITIONS = ("[", "[[", "test", "if", "elif", "while", "for", "case")
_BATCH_SET = re.compile(rf'@?set\s+(?:"({NAME})=(.*)"|({NAME})=(.*))', re.IGNORECASE | re.DOTALL)
_BATCH_END = re.compile(r'("[^"]*"?|\^.|[^"&^])+', re.DOTALL)
_BATCH_IF = re.compile(r"@?if\s.*?(?=\(?@?set\s)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One ``name=raw``. more: raw is added to what was there. conditional: whether it is set depends on something that only running would tell."""

    name: str
    raw: str
    more: bool = False
    conditional: bool = False


def shell_settings(text: str) -> Iterator[Setting]:
    """The variables that a shell script sets, in order; what precedes a command, as in ``A=1 command``, is set for that command alone."""
    after_test = False
    for words, end in _shell_statements(text.replace("\r\n", "\n").replace("\\\n", "")):
        conditional = after_test
        after_test = end in ("&&", "||") and (after_test or words[:1] in [[each] for each in _CONDITIONS])
        while words and words[0] in _OPENINGS:
            words, conditional = words[1:], True
        if words and words[0] in _EXPORTS:
            words = [each for each in words[1:] if not each.startswith("-")]
        elif not all(_SHELL_SET.fullmatch(each) for each in words):
            continue
        for match in filter(None, map(_SHELL_SET.fullmatch, words)):
            yield Setting(name=match[1], raw=match[3], more=bool(match[2]), conditional=conditional)


def shell_sources(text: str) -> tuple[str, ...]:
    """The files that a shell script would read in."""
    return tuple(words[1] for words, _end in _shell_statements(text) if len(words) > 1 and words[0] in ("source", "."))


def _shell_statements(text: str) -> Iterator[tuple[list[str], str]]:
    """The words of each statement, with their quotation marks, and what ends it."""
    words, word = [], ""
    for piece in _SHELL_PIECE.finditer(text + "\n"):
        if piece.lastgroup is None:
            word += piece[0]
            continue
        words, word = [*words, word] if word else words, ""
        if piece.lastgroup == "end":
            if words:
                yield words, piece[0]
            words = []


def batch_settings(text: str) -> Iterator[Setting]:
    """The variables that a batch file sets, in order."""
    for line in re.sub(r"\^\r?\n", "", text).splitlines():
        whole = _BATCH_SET.fullmatch(line.strip())
        statements = [line] if whole is not None and whole[1] else [each.group() for each in _BATCH_END.finditer(line)]
        for statement in statements:
            condition = _BATCH_IF.match(statement.strip())
            bare = statement.strip()[condition.end() if condition else 0 :]
            match = _BATCH_SET.fullmatch(bare[1:].removesuffix(")").strip() if bare.startswith("(") else bare)
            if match is not None:
                yield Setting(name=match[1] or match[3], raw=match[2] if match[1] else match[4], conditional=condition is not None)
