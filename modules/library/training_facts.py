"""How a LoRA was trained, as kohya's trainer says it in a file's header: what A1111's card dialog shows of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_PLAIN = (("Output name", "ss_output_name"), ("Model", "ss_sd_model_name"), ("Clip skip", "ss_clip_skip"), ("Kohya module", "ss_network_module"))
_MOST_SIZES = 4
_LONGEST = 200  # characters shown of one of a stranger's texts


def training_facts(metadata: Mapping[str, str]) -> list[tuple[str, str]]:
    """(name, words) in the dialog's order; what the header does not say, or says in another form, is left out."""
    found = [(name, metadata.get(key) or "") for name, key in _PLAIN]
    sizes = _sizes(_object(metadata.get("ss_bucket_info")).get("buckets"))
    found += [
        ("Date trained", _date(metadata.get("ss_training_started_at"))),
        ("Resolutions" if len(sizes) > 1 else "Resolution", ", ".join(sizes[:_MOST_SIZES]) + (", ..." if len(sizes) > _MOST_SIZES else "")),
        ("Dataset size", _pictures(_object(metadata.get("ss_dataset_dirs")))),
    ]
    return [(name, words[:_LONGEST]) for name, words in found if words and words != "None"]


def _object(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and 0 < value < 2**53 else 0


def _sizes(buckets: Any) -> list[str]:
    """The sizes of the pictures, height first as A1111 writes them, the most frequent first."""
    counts: Counter[str] = Counter()
    for bucket in buckets.values() if isinstance(buckets, dict) else ():
        sides = bucket.get("resolution") if isinstance(bucket, dict) else None
        if isinstance(sides, list) and len(sides) == 2 and all(map(_whole, sides)):
            counts[f"{sides[1]}x{sides[0]}"] += _whole(bucket.get("count"))
    return [size for size, _ in counts.most_common()]


def _pictures(folders: Mapping[str, Any]) -> str:
    count = sum(_whole(each.get("img_count")) for each in folders.values() if isinstance(each, dict))
    return str(count) if count else ""


def _date(seconds: str | None) -> str:
    try:
        return datetime.fromtimestamp(float(seconds or "nan"), UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return ""
