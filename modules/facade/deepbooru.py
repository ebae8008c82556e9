"""A1111's ``modules.deepbooru``."""
import re

from modules.a1111.interrogators import DeepDanbooru
from modules.a1111.interrogators import tagger as model

re_special = re.compile(r"([\\()])")
