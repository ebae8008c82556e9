"""The small grammar in which the training pictures are described: synonyms, several word orders, parts left out."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from modules.starter.drawing import Subject

HELD_OUT_PERCENT = 15

OBJECT_WORDS: dict[str, tuple[str, ...]] = {
    "potion": ("potion", "potion", "flask", "bottle", "elixir"),
    "sword": ("sword", "sword", "blade"),
    "shield": ("shield",),
    "coin": ("coin",),
    "gem": ("gem", "gem", "jewel", "diamond", "crystal"),
    "heart": ("heart",),
    "star": ("star",),
    "key": ("key",),
    "leaf": ("leaf",),
    "flame": ("flame", "flame", "fire"),
    "crown": ("crown",),
    "mushroom": ("mushroom", "mushroom", "toadstool"),
    "moon": ("moon", "moon", "crescent moon", "crescent"),
    "bolt": ("lightning bolt", "bolt", "lightning", "thunderbolt"),
    "circle": ("circle", "circle", "disc", "dot"),
    "square": ("square", "square", "box"),
    "triangle": ("triangle",),
    "cross": ("cross", "cross", "plus sign", "plus"),
    "ring": ("ring", "ring", "hoop"),
}
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "red", "red", "crimson", "scarlet"),
    "orange": ("orange",),
    "yellow": ("yellow", "yellow", "golden", "gold"),
    "green": ("green", "green", "green", "emerald"),
    "cyan": ("cyan", "cyan", "turquoise", "light blue"),
    "blue": ("blue", "blue", "blue", "azure"),
    "purple": ("purple", "purple", "violet"),
    "pink": ("pink",),
    "brown": ("brown",),
    "white": ("white",),
    "grey": ("grey", "gray", "silver"),
    "black": ("black",),
}
STYLE_ADJECTIVES: dict[str, tuple[str, ...]] = {
    "flat": ("flat", "plain"),
    "outlined": ("outlined", "cartoon"),
    "glossy": ("glossy", "shiny"),
    "pixel": ("pixel art", "pixel", "pixelated"),
}
STYLE_PHRASES: dict[str, tuple[str, ...]] = {
    "flat": ("flat style", "flat design", "in flat style"),
    "outlined": ("outlined style", "with an outline", "with outlines", "in outlined style"),
    "glossy": ("glossy style", "in glossy style", "shiny"),
    "pixel": ("pixel art", "pixel style", "in pixel art style", "in pixel style"),
}
BACKGROUND_PHRASES = (
    "on a {} background", "on a {} background", "on {} background", "on {}", "against a {} background", "against {}",
    "with a {} background", "over a {} background", "on a {} backdrop", "in front of a {} background",
)  # fmt: skip
BACKGROUND_TAGS = ("{} background", "{} background", "{} backdrop", "background {}", "on {}")
OPENINGS = ("an icon of", "icon of", "a picture of", "a drawing of", "an image of", "a photo of", "a game icon of", "draw")
CLOSINGS = ("icon", "game icon", "game asset", "symbol", "sprite")


@dataclass(frozen=True, kw_only=True)
class Mention:
    """What a caption says: names of the drawing's tables, or None where it says nothing."""

    object: str | None = None
    colour: str | None = None
    background: str | None = None
    style: str | None = None


def is_held_out(object_name: str, colour: str, background: str) -> bool:
    """True for the fixed share of combinations that no stage of training ever sees."""
    return zlib.crc32(f"{object_name} {colour} {background}".encode()) % 100 < HELD_OUT_PERCENT


def choose_mention(subject: Subject, rng: np.random.Generator) -> Mention:
    """Leaves out parts at random, as people do; the object stays most often, the style least."""
    object_said, colour_said, background_said, style_said = rng.random(4) < (0.95, 0.87, 0.77, 0.45)
    return Mention(
        object=subject.object if object_said else None,
        colour=subject.colour if colour_said else None,
        background=subject.background if background_said else None,
        style=subject.style if style_said else None,
    )


def write_caption(mention: Mention, rng: np.random.Generator) -> str:
    """One of many wordings of the same facts; empty when nothing is mentioned."""
    if mention == Mention():
        return ""
    return _tags(mention, rng) if rng.random() < 0.4 else _sentence(mention, rng)


def _pick(words: tuple[str, ...], rng: np.random.Generator) -> str:
    return words[rng.integers(len(words))]


def _with_article(phrase: str, rng: np.random.Generator) -> str:
    if rng.random() < 0.25:
        return phrase
    article = "an" if phrase[0] in "aeiou" else "a"
    return f"{'the' if rng.random() < 0.1 else article} {phrase}"


def _noun_phrase(mention: Mention, rng: np.random.Generator) -> str:
    """Object with its colour and, where said as an adjective, its style: "a glossy red potion"."""
    noun = _pick(OBJECT_WORDS[mention.object], rng) if mention.object else _pick(("icon", "thing", "shape", "object"), rng)
    adjectives = []
    colour = _pick(COLOUR_WORDS[mention.colour], rng) if mention.colour else ""
    colour_behind = bool(colour) and rng.random() < 0.1
    if colour and not colour_behind:
        adjectives.append(colour)
    if mention.style:
        adjectives.insert(int(rng.integers(len(adjectives) + 1)), _pick(STYLE_ADJECTIVES[mention.style], rng))
    phrase = _with_article(" ".join([*adjectives, noun]), rng)
    return f"{phrase} in {colour}" if colour_behind else phrase


def _sentence(mention: Mention, rng: np.random.Generator) -> str:
    """ "a glossy golden coin on black", "on a blue background, a red potion in flat style"."""
    style_behind = mention.style if rng.random() < 0.5 else None
    front = Mention(object=mention.object, colour=mention.colour, style=None if style_behind else mention.style)
    text = _noun_phrase(front, rng) if front != Mention() else ""
    opening, closing = rng.random(2)
    if text and opening < 0.2:
        text = f"{_pick(OPENINGS, rng)} {text}"
    elif text and closing < 0.15:
        text = f"{text} {_pick(CLOSINGS, rng)}"
    tail = [_pick(STYLE_PHRASES[style_behind], rng)] if style_behind else []
    if mention.background:
        phrase = _pick(BACKGROUND_PHRASES, rng).format(_pick(COLOUR_WORDS[mention.background], rng))
        if rng.random() < 0.12:
            return ", ".join(filter(None, [phrase, text, *tail]))
        tail.insert(int(rng.integers(len(tail) + 1)), phrase)
    separator = ", " if rng.random() < 0.3 else " "
    return separator.join(filter(None, [text, *tail]))


def _tags(mention: Mention, rng: np.random.Generator) -> str:
    """ "potion, red, flat style, blue background", in any order."""
    tags = []
    if mention.object and mention.colour and rng.random() < 0.5:
        tags.append(f"{_pick(COLOUR_WORDS[mention.colour], rng)} {_pick(OBJECT_WORDS[mention.object], rng)}")
    else:
        tags += [_pick(OBJECT_WORDS[mention.object], rng)] if mention.object else []
        tags += [_pick(COLOUR_WORDS[mention.colour], rng)] if mention.colour else []
    if mention.style:
        wordings = STYLE_PHRASES if rng.random() < 0.6 else STYLE_ADJECTIVES
        tags.append(_pick(wordings[mention.style], rng))
    if mention.background:
        tags.append(_pick(BACKGROUND_TAGS, rng).format(_pick(COLOUR_WORDS[mention.background], rng)))
    if rng.random() < 0.15:
        tags.append(_pick(CLOSINGS, rng))
    return ", ".join(tags[i] for i in rng.permutation(len(tags)))


def every_wording() -> list[str]:
    """All phrases the grammar is made of: their words are the ones that the text encoder learns."""
    tables = (OBJECT_WORDS, COLOUR_WORDS, STYLE_ADJECTIVES, STYLE_PHRASES)
    phrases = [word for table in tables for words in table.values() for word in words]
    frames = [frame.format("") for frame in BACKGROUND_PHRASES + BACKGROUND_TAGS]
    return [*phrases, *frames, *OPENINGS, *CLOSINGS, "icon thing shape object in a an the", ", ."]
