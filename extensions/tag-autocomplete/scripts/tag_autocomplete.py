"""Completes tags, embeddings, LoRAs, styles and wildcards while a prompt is typed. Steps aside where tagcomplete is installed.

Tag files are CSV in tagcomplete's form: tag, type, count, "aliases". Put more of them into the folder tags of this extension.
"""
import csv
from pathlib import Path

from fastapi import FastAPI
from modules.paths import data_path

from modules import extensions, script_callbacks, scripts, sd_hijack, shared
from modules.files.names import is_macs_note, is_text

FOLDER = Path(scripts.basedir())
TAGS = FOLDER / "tags"
SECTION = ("tag_autocomplete", "Tag autocomplete")


def tagcomplete_is_here() -> bool:
    """Whether the well-known extension does this already."""
    return any("tagcomplete" in each.name.lower() for each in extensions.active())


def tag_files() -> list[str]:
    return sorted(each.name for each in TAGS.glob("*.csv") if not is_macs_note(each.name))


def tags() -> list[list[object]]:
    """[tag, type, count, [aliases]] of the chosen file, as it stands there; lines that are no tags are passed over."""
    path = TAGS / Path(shared.opts.tag_autocomplete_file).name
    if path.name not in tag_files():
        return []
    found: list[list[object]] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(file):
            if row and row[0] and not row[0].startswith("#"):
                kind, count = ((row[n] if len(row) > n and row[n].isdigit() else "0") for n in (1, 2))
                found.append([row[0], int(kind), int(count), [each for each in (row[3] if len(row) > 3 else "").split(",") if each]])
    return found


def names() -> dict[str, list[str]]:
    """What else can be named in a prompt."""
    import lora

    wildcards = {*FOLDER.parent.glob("*/wildcards"), Path(data_path, "wildcards"), *Path(data_path, "extensions").glob("*/wildcards")}
    return {
        "embeddings": sorted(sd_hijack.model_hijack.embedding_db.word_embeddings),
        "loras": sorted(lora.available_loras),
        "styles": sorted(shared.prompt_styles.styles),
        "wildcards": sorted(filter(is_text, (path.relative_to(base).with_suffix("").as_posix() for base in wildcards for path in base.rglob("*.txt") if not is_macs_note(path.name)))),
    }


def dropdown(**keywords: object) -> object:
    """Gradio's, which is not loaded before somebody wants to see one."""
    import gradio as gr

    return gr.Dropdown(**keywords)


def slider(**keywords: object) -> object:
    """Likewise."""
    import gradio as gr

    return gr.Slider(**keywords)


def on_ui_settings() -> None:
    def add(key: str, info: shared.OptionInfo) -> None:
        info.section = SECTION
        shared.opts.add_option(f"tag_autocomplete_{key}", info)

    add("enabled", shared.OptionInfo(not tagcomplete_is_here(), "Complete tags while a prompt is typed"))
    add("file", shared.OptionInfo("words.csv", "Tag file", dropdown, lambda: {"choices": tag_files()}, refresh=tag_files))
    add("results", shared.OptionInfo(8, "Most entries shown", slider, {"minimum": 1, "maximum": 30, "step": 1}))
    add("comma", shared.OptionInfo(True, "Put a comma behind a tag"))


def on_app_started(demo: object, app: FastAPI) -> None:
    @app.get("/tag-autocomplete/words")
    def words() -> dict[str, object]:
        """Everything that can be completed."""
        return {"tags": tags(), **names()}


script_callbacks.on_ui_settings(on_ui_settings)
if not tagcomplete_is_here():
    script_callbacks.on_app_started(on_app_started)
