"""Users' HTML with what could act taken out: only tags that shape text, and links to web pages."""

from __future__ import annotations

from html import escape
from html.parser import HTMLParser

_TAGS = frozenset("b i u s em strong small sub sup code pre p br hr ul ol li blockquote h1 h2 h3 h4 h5 h6 span a".split())  # noqa: SIM905
_WITHOUT_END = frozenset({"br", "hr"})
_WITH_CONTENT = frozenset({"script", "style", "template", "iframe", "noscript", "svg", "math", "textarea", "title"})


def safe_html(text: str) -> str:
    """``text`` with every other tag and every attribute left out, and all tags closed."""
    cleaner = _Cleaner(convert_charrefs=True)
    cleaner.feed(text)
    cleaner.close()
    return "".join([*cleaner.parts, *(f"</{tag}>" for tag in reversed(cleaner.open_tags))])


class _Cleaner(HTMLParser):
    def __init__(self, **options: bool) -> None:
        super().__init__(**options)
        self.parts: list[str] = []
        self.open_tags: list[str] = []
        self.inside_dropped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _WITH_CONTENT:
            self.inside_dropped += 1
        if tag not in _TAGS or self.inside_dropped:
            return
        address = dict(attrs).get("href") or ""
        is_link = tag == "a" and address.lower().startswith(("https://", "http://"))
        self.parts.append(f'<a href="{escape(address, quote=True)}" target="_blank" rel="noopener noreferrer">' if is_link else f"<{tag}>")
        if tag not in _WITHOUT_END:
            self.open_tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _WITH_CONTENT:
            self.inside_dropped = max(0, self.inside_dropped - 1)
        if self.inside_dropped or tag not in self.open_tags:
            return
        while self.open_tags:
            closed = self.open_tags.pop()
            self.parts.append(f"</{closed}>")
            if closed == tag:
                break

    def handle_data(self, data: str) -> None:
        if not self.inside_dropped:
            self.parts.append(escape(data))
