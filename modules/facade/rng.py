"""A1111's ``modules.rng``."""
from modules.a1111.noise_names import ImageRNG, create_generator, get_noise_source_type, manual_seed, randn, randn_like, randn_local, randn_without_seed, slerp
