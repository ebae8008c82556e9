"""A1111's ``modules.interrogate``."""
from modules.a1111.interrogators import Category, InterrogateModels, category_types
from modules.a1111.stubs import stubbed

blip_image_eval_size = 384
clip_model_name = "ViT-L/14"
__getattr__ = stubbed(__name__, "download_default_clip_interrogate_categories")
