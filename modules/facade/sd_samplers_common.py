"""A1111's ``modules.sd_samplers_common``."""
from modules.a1111.kdiffusion import Sampler
from modules.a1111.latent_pictures import approximation_indexes, decode_first_stage, images_tensor_to_samples, sample_to_image, samples_to_image_grid, samples_to_images_tensor, single_sample_to_image, store_latent
from modules.a1111.sampler_list import SamplerData, SamplerDataTuple
from modules.a1111.stubs import stubbed
from modules.engine.hooks import Interrupted as InterruptedException

def setup_img2img_steps(p, steps=None):
    """(all steps, steps that img2img takes) of ``p``."""
    if steps is not None:
        requested = steps
        return int(requested / min(p.denoising_strength, 0.999)) if p.denoising_strength > 0 else 0, requested - 1
    return p.steps, int(min(p.denoising_strength, 0.999) * p.steps)

__getattr__ = stubbed(__name__, "is_sampler_using_eta_noise_seed_delta TorchHijack replace_torchsde_browinan apply_refiner decode_first_stage_for_previews")
