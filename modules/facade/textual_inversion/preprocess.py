"""A1111's former ``modules.textual_inversion.preprocess``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "preprocess preprocess_work listfiles split_pic center_crop multicrop_pic")
