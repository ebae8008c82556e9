"""``__name__`` and ``{a|b}`` in prompts: each picture takes its own choice, by its seed. Steps aside where another extension does this.

Lists are text files, one entry a line, "#" before a remark: in the folder ``wildcards`` of this extension or of the data folder.
``{2$$a|b|c}`` takes two of them, ``{1-2$$ and $$a|b|c}`` one or two with " and " between, ``{3::a|b}`` takes a three times as often.
"""
import random
import re
from fnmatch import fnmatchcase
from pathlib import Path

from modules.paths import data_path

from modules import extensions, scripts
from modules.files.names import is_macs_note

OWN = Path(scripts.basedir())
DEEPEST = 20                    # lists that name lists: where it goes round in circles, it ends here
LONGEST_NAME = 200              # characters; patterns without an end take quadratic time on "__a __a __a"
MOST_NESTED = 20                # braces inside of braces; deeper ones stay as they are
MOST_TAKEN = 100                # of one choice
LONGEST = 200_000               # characters that lists may make of a prompt
NAME = re.compile(rf"__([^\s_](?:[^\n,|{{}}<>:()]{{0,{LONGEST_NAME}}}?[^\s_])?)__")
BRACES = re.compile(r"[{}]")
DIVIDING = re.compile(r"[\[\]{}|]")
COUNT = re.compile(r"\s*(\d{1,6})(?:\s*-\s*(\d{1,6}))?\s*\Z")
WEIGHT = re.compile(r"\s*(\d{1,6}(?:\.\d{1,20})?)::")
OTHERS = ("dynamic_prompting.py", "wildcards.py")


def another_does_it() -> bool:
    """Whether sd-dynamic-prompts, or another extension of wildcards, is switched on."""
    others = (Path(each.path) for each in extensions.active())
    return any((folder / "scripts" / name).is_file() for folder in others if folder.resolve() != OWN.resolve() for name in OTHERS)


class Lists:
    """All wildcard files by their names below their folder, without suffix and in lower case; each is read once, when it is named."""

    def __init__(self) -> None:
        self.left = LONGEST
        folders = (OWN / "wildcards", Path(data_path) / "wildcards")
        self.files = {path.relative_to(base).with_suffix("").as_posix().lower(): path for base in folders for path in sorted(base.rglob("*.txt")) if not is_macs_note(path.name)}
        self.read: dict[str, list[str]] = {}
        self.unknown: set[str] = set()

    def entries(self, name: str) -> list[str]:
        """Those of all files that ``name`` fits; it may hold * and ?."""
        wanted = name.lower()
        if wanted not in self.read:
            fitting = [path for known, path in sorted(self.files.items()) if known == wanted or fnmatchcase(known, wanted)]
            self.read[wanted] = [line for path in fitting for line in lines_of(path)]
        return self.read[wanted]


def lines_of(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def expanded(text: str, rng: random.Random, lists: Lists, depth: int = 0) -> str:
    """``text`` with one choice made wherever it offers some."""
    if depth > DEEPEST:
        return text
    if depth == 0:
        lists.left = LONGEST

    def chosen(match: re.Match) -> str:
        entries = lists.entries(match[1])
        if not entries:
            lists.unknown.add(match[1])
            return match[0]
        if lists.left <= 0:
            return match[0]
        entry = rng.choice(entries)
        lists.left -= len(entry)
        return expanded(entry, rng, lists, depth + 1)

    return NAME.sub(chosen, without_braces(text, rng))


def without_braces(text: str, rng: random.Random, depth: int = 0) -> str:
    """``text`` with a choice made in each ``{a|b}``, from the outside inwards. Other braces stay as they are."""
    if depth > MOST_NESTED or "{" not in text:
        return text
    made, place, ends = [], 0, closings(text)
    while (start := text.find("{", place)) >= 0:
        end = ends.get(start, -1)
        if end < 0 or text[max(start - 1, 0)] == "\\":
            made.append(text[place : start + 1])
            place = start + 1
            continue
        inside = text[start + 1 : end]
        options = parts_of(inside)
        made.append(text[place:start])
        made.append(one_of(options, rng, depth) if len(options) > 1 else "{" + without_braces(inside, rng, depth + 1) + "}")
        place = end + 1
    return "".join(made) + text[place:]


def closings(text: str) -> dict[int, int]:
    """Where each brace that opens closes again."""
    found, opened = {}, []
    for match in BRACES.finditer(text):
        if match[0] == "{":
            opened.append(match.start())
        elif opened:
            found[opened.pop()] = match.start()
    return found


def parts_of(inside: str) -> list[str]:
    """What stands between the bars; those of A1111's own ``[a|b]`` and of braces further inside divide nothing."""
    parts, depth, begin = [], 0, 0
    for match in DIVIDING.finditer(inside):
        depth += (match[0] in "[{") - (match[0] in "]}")
        if match[0] == "|" and depth <= 0:
            parts.append(inside[begin : match.start()])
            begin = match.end()
    return [*parts, inside[begin:]]


def one_of(options: list[str], rng: random.Random, depth: int = 0) -> str:
    low, high, between = 1, 1, ", "
    head = options[0].split("$$")
    if len(head) in (2, 3) and (count := COUNT.match(head[0])):
        low, high = int(count[1]), int(count[2] or count[1])
        between, options = head[1] if len(head) == 3 else between, [head[-1], *options[1:]]
    left = [(match.end(), float(match[1])) if (match := WEIGHT.match(option)) else (0, 1.0) for option in options]
    pool = [(option[begin:], weight) for option, (begin, weight) in zip(options, left)]
    wanted = rng.randint(min(low, high), max(low, high))
    taken = []
    while pool and len(taken) < min(wanted, MOST_TAKEN):
        weights = [weight for _, weight in pool]
        place = rng.choices(range(len(pool)), weights if sum(weights) > 0 else None)[0]
        taken.append(without_braces(pool.pop(place)[0], rng, depth + 1))
    return between.join(taken)


def offers_choice(text: object) -> bool:
    """Whether there may be something to choose in ``text``."""
    return isinstance(text, str) and (bool(NAME.search(text)) or ("{" in text and "|" in text))


class Script(scripts.Script):
    """Makes the choices before the pictures are begun."""

    def title(self):
        return "Wildcards"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def process(self, p, *args):
        asked = [("all_prompts", "Wildcard prompt"), ("all_negative_prompts", "Wildcard negative prompt"),
                 ("all_hr_prompts", "Wildcard hires prompt"), ("all_hr_negative_prompts", "Wildcard hires negative prompt")]
        fields = [(name, key) for name, key in asked if any(offers_choice(text) for text in getattr(p, name, None) or ())]
        if not fields or another_does_it():
            return
        lists = Lists()
        before = {name: list(getattr(p, name)) for name, _ in fields}
        for name, key in fields:
            kind = "negative" if "negative" in name else "prompt"
            made = [expanded(text, random.Random(f"{kind} {p.all_seeds[min(n, len(p.all_seeds) - 1)]}"), lists) for n, text in enumerate(before[name])]
            if made == before[name]:
                continue
            setattr(p, name, made)
            written = before[name]
            if "_hr_" not in name or written != before.get(name.replace("_hr", "")):
                p.extra_generation_params[key] = written[0] if len(set(written)) == 1 else list(written)
        for name in sorted(lists.unknown):
            p.comment(f"There is no wildcard list {name!r}: put {name}.txt into {Path(data_path) / 'wildcards'}.")
