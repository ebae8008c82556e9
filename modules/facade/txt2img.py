"""A1111's ``modules.txt2img``."""
from modules.a1111.tab_functions import txt2img, txt2img_create_processing, txt2img_upscale

txt2img_function = txt2img
