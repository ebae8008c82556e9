"""A1111's ``modules.img2img``."""
from modules.a1111.picture_batches import process_batch
from modules.a1111.tab_functions import img2img, img2img_create_processing

img2img_function = img2img
