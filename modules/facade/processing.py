"""A1111's ``modules.processing``."""
from modules.a1111.by_hand import DecodedSamples
from modules.a1111.cond_parts import txt2img_image_conditioning
from modules.a1111.infotexts import create_infotext
from modules.a1111.latent_pictures import decode_first_stage, decode_latent_batch, images_tensor_to_samples
from modules.a1111.noise_names import ImageRNG, slerp
from modules.a1111.picture_files import apply_color_correction, apply_overlay, create_binary_mask, setup_color_correction, uncrop
from modules.a1111.process_images import fix_seed, get_fixed_seed, process_images, process_images_inner
from modules.a1111.processed import Processed
from modules.a1111.processing import StableDiffusionProcessing, StableDiffusionProcessingImg2Img, StableDiffusionProcessingTxt2Img, opt_C, opt_f
from modules.a1111.noise_names import create_random_tensors
from modules.a1111.options import opts
from modules.a1111.shared_values import program_version
from modules.a1111.stubs import stubbed
from modules import sd_models  # pyright: ignore[reportAttributeAccessIssue]

create_infotext_ori = create_infotext
__getattr__ = stubbed(__name__, "old_hires_fix_first_pass_dimensions")
