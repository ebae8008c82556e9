"""All families in the order in which they are tried. No header fits two rows; a test says so."""

from __future__ import annotations

import zlib

from modules.families.cosmos import COSMOS_ROWS
from modules.families.family import ModelFamily
from modules.families.flux import FLUX_KONTEXT, FLUX_ROWS
from modules.families.flux2 import FLUX2_ROWS
from modules.families.foreign import FOREIGN_KINDS, QUANTISED_KINDS
from modules.families.krea2 import KREA_2_TURBO, KREA_ROWS
from modules.families.lumina2 import LUMINA_ROWS
from modules.families.others import OTHER_ROWS
from modules.families.ovis import OVIS_ROWS
from modules.families.qwen_text import QWEN_EDIT, QWEN_EDIT_PLUS, QWEN_TEXT_ROWS
from modules.families.sd2 import SD2_ROWS
from modules.families.sd3 import SD3_ROWS
from modules.families.sd15 import SD1_ROWS
from modules.families.sdxl import SDXL_ROWS

FAMILIES: tuple[ModelFamily, ...] = (*SD1_ROWS, *SD2_ROWS, *SDXL_ROWS, *SD3_ROWS, *FLUX_ROWS, *FLUX2_ROWS, *QWEN_TEXT_ROWS, *LUMINA_ROWS, *COSMOS_ROWS, *KREA_ROWS, *OVIS_ROWS, *OTHER_ROWS)
NAMED_FAMILIES: tuple[ModelFamily, ...] = (FLUX_KONTEXT, QWEN_EDIT_PLUS, QWEN_EDIT, KREA_2_TURBO)      # told from a row above by what they are ``called``

# What people call those that run.
RUNNING = "SD 1.x, SD 2.x, SDXL, SD3, FLUX.1, FLUX.2, Chroma, Z-Image, Qwen-Image, Qwen-Image-Edit, Lumina 2, Anima, Krea 2 or Ovis-Image"

# Tells apart versions of the program that recognise other kinds of files: an index made by another one reads the headers again.
KNOWN_KINDS = zlib.crc32(repr([(family.name, family.marks, family.called, family.flag) for family in (*FAMILIES, *NAMED_FAMILIES)] + [kind.title for kind in (*QUANTISED_KINDS, *FOREIGN_KINDS)]).encode())


def family_named(name: str) -> ModelFamily | None:
    """The row called ``name``, or None: an index may hold the name of a family that a newer version knew."""
    return next((family for family in (*FAMILIES, *NAMED_FAMILIES) if family.name == name), None)
