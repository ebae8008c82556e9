"""A1111's ``modules.sd_emphasis``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "Emphasis EmphasisNone EmphasisIgnore EmphasisOriginal EmphasisOriginalNoNorm get_current_option get_options_descriptions options")
