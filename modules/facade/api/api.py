"""A1111's ``modules.api.api``."""
from modules.a1111.api_names import decode_base64_to_image, encode_pil_to_base64, script_name_to_index, setUpscalers, validate_sampler_name, verify_url
from modules.facade.api.models import *  # noqa: F403
from modules.a1111.stubs import stubbed
from modules.rest_api.foreign_api import Api

__getattr__ = stubbed(__name__, "api_middleware models")
