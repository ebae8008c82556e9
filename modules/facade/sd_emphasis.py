"""A1111's ``modules.sd_emphasis``."""
from modules.a1111.emphasis_names import (
    Emphasis, EmphasisIgnore, EmphasisNone, EmphasisOriginal, EmphasisOriginalNoNorm, get_current_option, get_options_descriptions, options,
)  # fmt: skip
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "")
