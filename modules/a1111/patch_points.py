"""Functions that extensions replace. The house asks here at each call, so that a replaced one takes effect."""
from __future__ import annotations

import sys
from typing import TypeVar

Own = TypeVar("Own")

# (module, name): what extensions are known to assign to. Others work too; these are the ones we promise.
PATCH_POINTS = (
    ("modules.processing", "process_images"),
    ("modules.processing", "process_images_inner"),
    ("modules.processing", "create_infotext"),
    ("modules.img2img", "process_batch"),
    ("modules.images", "save_image"),
    ("modules.images", "read_info_from_image"),
    ("modules.sd_samplers", "create_sampler"),
    ("modules.sd_samplers_common", "store_latent"),
    ("modules.prompt_parser", "get_learned_conditioning"),
    ("modules.prompt_parser", "get_multicond_learned_conditioning"),
    ("modules.prompt_parser", "get_multicond_prompt_list"),
    ("modules.scripts", "load_scripts"),
)


def looked_up(module: str, name: str, own: Own) -> Own:
    """What stands under ``name`` in A1111's ``module`` now; ``own`` where nobody has imported that module."""
    return getattr(sys.modules.get(module), name, own)
