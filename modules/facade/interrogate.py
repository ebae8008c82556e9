"""A1111's ``modules.interrogate``."""
from collections import namedtuple

from modules.a1111.stubs import stubbed

Category = namedtuple("Category", ["name", "topn", "items"])
__getattr__ = stubbed(__name__, "InterrogateModels category_types download_default_clip_interrogate_categories")
