"""A1111's ``modules.cache``."""
from modules.a1111.file_facts import cache, cached_data_for_file, convert_old_cached_data, dump_cache, make_cache

cache_filename = "cache.json"
cache_dir = "cache"
caches: dict = {}
