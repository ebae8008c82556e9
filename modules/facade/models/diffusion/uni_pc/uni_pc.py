"""A1111's ``modules.models.diffusion.uni_pc.uni_pc``."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "NoiseScheduleVP model_wrapper UniPC interpolate_fn expand_dims get_time_steps")
