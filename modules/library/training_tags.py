"""The captions that a LoRA was trained with, as kohya's trainer counts them in a file's header."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any


def training_tags(metadata: Mapping[str, str], most: int) -> list[tuple[str, int]]:
    """(tag, how often), the most frequent first, of all folders that it was trained on; none where the header has no such counts."""
    try:
        folders = json.loads(metadata.get("ss_tag_frequency") or "{}")
    except (ValueError, RecursionError):
        return []
    found: Counter[str] = Counter()
    for counts in folders.values() if isinstance(folders, dict) else ():
        for tag, count in counts.items() if isinstance(counts, dict) else ():
            if tag.strip() and _is_count(count):
                found[tag.strip()] += int(count)
    return (_words_of(found) if _are_sentences(found) else found).most_common(most)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53     # beyond it JavaScript has no whole numbers


def _are_sentences(tags: Mapping[str, int]) -> bool:
    """Whether the captions had no commas, so that each counts as one tag: most are longer than tags are."""
    return sum(len(tag.split()) for tag in tags) > 4 * len(tags)


def _words_of(sentences: Mapping[str, int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for sentence, count in sentences.items():
        found.update(dict.fromkeys(re.findall(r"[^\W_]{3,}", sentence.lower()), count))
    return found
