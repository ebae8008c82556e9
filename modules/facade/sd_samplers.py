"""A1111's ``modules.sd_samplers``."""
from modules.a1111.latent_pictures import sample_to_image, samples_to_image_grid
from modules.a1111.sampler_list import (
    SamplerData, all_samplers, all_samplers_map, create_sampler, find_sampler_config, get_sampler_and_scheduler, get_sampler_from_infotext,
    samplers_map, visible_sampler_names, visible_samplers, take_up_added,
)  # fmt: skip
from modules.a1111.stubs import late_values, stubbed

samplers = all_samplers
samplers_for_img2img = all_samplers
samplers_hidden: list = []

def set_samplers():
    """Added samplers can be chosen from now on, also those of another list that stands here by now."""
    take_up_added(all_samplers)

def add_sampler(sampler):
    """Another extension's sampler: listed, for p.sampler_name to find."""
    all_samplers.append(sampler)
    all_samplers_map[sampler.name] = sampler
    take_up_added()
__getattr__ = stubbed(__name__, "fix_p_invalid_sampler_and_scheduler get_hr_sampler_and_scheduler get_hr_sampler_from_infotext get_hr_scheduler_from_infotext get_scheduler_from_infotext sd_samplers_extra")
