"""A1111's ``modules.hashes``."""
from modules.a1111.file_facts import addnet_hash_safetensors, cache, calculate_sha256, dump_cache, partial_hash_from_cache, sha256, sha256_from_cache

blksize = 1024 * 1024
