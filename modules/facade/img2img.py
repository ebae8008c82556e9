"""A1111's ``modules.img2img``."""
from modules.a1111.tab_functions import img2img, img2img_create_processing
from modules.a1111.stubs import stubbed

img2img_function = img2img
__getattr__ = stubbed(__name__, "process_batch")
