"""A1111's ``modules.sd_samplers_compvis``: already empty in A1111 1.10.1, but imported by old extensions."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "VanillaStableDiffusionSampler samplers_data_compvis")
