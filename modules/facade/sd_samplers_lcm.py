"""A1111's ``modules.sd_samplers_lcm``."""
from modules.a1111.kdiffusion_names import sample_lcm
from modules.a1111.sampler_list import samplers_of
from modules.a1111.stubs import stubbed

samplers_data_lcm = samplers_of(["LCM"])
__getattr__ = stubbed(__name__, "LCMCompVisDenoiser CFGDenoiserLCM LCMSampler samplers_lcm")
