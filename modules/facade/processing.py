"""A1111's ``modules.processing``."""
import hashlib
import json
import logging
import math
import os
import random
import sys
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from modules.a1111.finished_samples import DecodedSamples
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
from modules import (  # pyright: ignore[reportAttributeAccessIssue]  # A1111's file imports them, and extensions have them of ``from modules.processing import *``
    devices, errors, extra_networks, face_restoration, images, masking, paths, prompt_parser, rng, scripts, sd_models, sd_samplers, sd_samplers_common, sd_unet, sd_vae, shared,
)  # fmt: skip
from modules.shared import cmd_opts, state  # pyright: ignore[reportAttributeAccessIssue,reportMissingImports]
from modules.sd_hijack import model_hijack  # pyright: ignore[reportAttributeAccessIssue,reportMissingImports]

create_infotext_ori = create_infotext
__getattr__ = stubbed(__name__, "old_hires_fix_first_pass_dimensions")
