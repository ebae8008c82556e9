"""A1111's ``modules.textual_inversion.dataset``."""
import re

from modules.a1111.stubs import stubbed
from modules.a1111.training_sets import (
    BatchLoader, BatchLoaderRandom, DatasetEntry, GroupedBatchSampler, PersonalizedBase, PersonalizedDataLoader, collate_wrapper, collate_wrapper_random,
)  # fmt: skip

re_numbers_at_start = re.compile(r"^[-\d]+\s*")
__getattr__ = stubbed(__name__, "")
