"""Extensions that put functions of their own in place of A1111's ``save_image`` and ``create_infotext``: the job asks them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from modules.a1111.app_slot import current
from modules.a1111.infotexts import create_infotext
from modules.a1111.patch_points import looked_up
from modules.a1111.picture_files import save_image
from modules.application.outcome import OutputImage
from modules.application.picture_saver import Saving
from modules.engine.hooks import GeneratedImage
from modules.extension_host.host import file_of


def replaced_save_image() -> Callable[..., Any] | None:
    found = looked_up("modules.images", "save_image", save_image)
    return None if found is save_image else found


def saved_by_it(p: Any, asked: Saving, replacement: Callable[..., Any]) -> OutputImage | None:
    """The picture as the replacement saved it, its path being what it says; None when it fails: then the house saves."""
    output, names, is_grid = asked.output, asked.names, asked.output.is_grid
    host = current().extensions
    owner = host.owner_of(file_of(replacement))
    answer: Any = None
    done = False
    p.names_at_work = names                         # for the house's own save_image, which the replacement may call
    with host.guarded(owner, f"{Path(file_of(replacement)).name}, save_image"):
        answer = replacement(
            output.picture, str(asked.folder), asked.basename, names.seed, names.prompt, asked.options.file_format, info=output.infotext,
            short_filename=asked.short_name, grid=is_grid, p=p, suffix=asked.suffix,
        )  # fmt: skip
        done = True
    p.names_at_work = None
    if not done:
        return None
    path = answer[0] if isinstance(answer, list | tuple) and answer else answer
    if not isinstance(path, str | Path) or not str(path):
        return output                               # it kept it for itself, or gave it to somebody else
    p.saved_elsewhere.add(str(path))
    return replace(output, path=Path(path))


def text_by_replacement(p: Any, image: GeneratedImage, own: Callable[[GeneratedImage], str]) -> str:
    """The parameters text of a picture of the batch at work, by whoever replaced ``create_infotext``; else the house's own."""
    replacement = looked_up("modules.processing", "create_infotext", create_infotext)
    if replacement is create_infotext:
        return own(image)
    host, text = current().extensions, None
    with host.guarded(host.owner_of(file_of(replacement)), f"{Path(file_of(replacement)).name}, create_infotext"):
        text = replacement(p, p.prompts, p.seeds, p.subseeds, use_main_prompt=False, index=p.batch_index, all_negative_prompts=p.negative_prompts)
    return text if isinstance(text, str) else own(image)
