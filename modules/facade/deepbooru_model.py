"""A1111's ``modules.deepbooru_model``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "DeepDanbooruModel")
