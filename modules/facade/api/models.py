"""A1111's ``modules.api.models``."""
from modules.rest_api.models import *  # noqa: F403
from modules.a1111.stubs import stubbed
from modules.rest_api import models as _ours


StableDiffusionTxt2ImgProcessingAPI = _ours.Txt2ImgBody
StableDiffusionImg2ImgProcessingAPI = _ours.Img2ImgBody
__getattr__ = stubbed(__name__, "PydanticModelGenerator ModelDef InterrogateRequest InterrogateResponse")
