"""A1111's ``modules.img2img``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "img2img process_batch img2img_function")
