"""A1111's ``modules.sd_samplers_timesteps``."""
from modules.a1111.kdiffusion import CFGDenoiserTimesteps, CompVisSampler
from modules.a1111.inner_model import CompVisTimestepsDenoiser, CompVisTimestepsVDenoiser
from modules.a1111.sampler_list import samplers_of

samplers_data_timesteps = samplers_of(["DDIM", "DDIM CFG++", "PLMS", "UniPC"])
samplers_timesteps: list = [tuple(each) for each in samplers_data_timesteps]
