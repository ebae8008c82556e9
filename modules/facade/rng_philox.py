"""A1111's ``modules.rng_philox``."""
from modules.compute.rng_philox import *  # noqa: F403
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "Generator philox4_32 box_muller")
