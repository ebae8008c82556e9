"""A1111's ``modules.sd_schedulers``."""
from modules.a1111.sampler_list import Scheduler, schedulers, schedulers_map
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "uniform sgm_uniform get_align_your_steps_sigmas kl_optimal simple_scheduler normal_scheduler ddim_scheduler beta_scheduler loglinear_interp to_d")
