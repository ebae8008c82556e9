"""A1111's ``modules.sd_schedulers``."""
from modules.a1111.kdiffusion_names import to_d
from modules.a1111.sampler_list import Scheduler, schedulers, schedulers_map
from modules.a1111.stubs import stubbed

uniform, sgm_uniform, kl_optimal, get_align_your_steps_sigmas, simple_scheduler, normal_scheduler, ddim_scheduler, beta_scheduler = (
    schedulers_map[name].function for name in ("uniform", "sgm_uniform", "kl_optimal", "align_your_steps", "simple", "normal", "ddim", "beta")
)
__getattr__ = stubbed(__name__, "loglinear_interp")
