"""A1111's ``modules.textual_inversion.dataset``: its parts are not here; ``engine/training`` has ours."""
import re

from modules.a1111.stubs import stubbed

re_numbers_at_start = re.compile(r"^[-\d]+\s*")
__getattr__ = stubbed(__name__, "DatasetEntry PersonalizedBase GroupedBatchSampler PersonalizedDataLoader BatchLoader BatchLoaderRandom collate_wrapper collate_wrapper_random")
