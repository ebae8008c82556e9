"""A1111's ``modules.api.models``."""
from modules.rest_api.models import *  # noqa: F403
from modules.a1111.stubs import stubbed
from modules.rest_api import models as _ours


from modules.rest_api.models import BaseModel, Field


class ProgressRequest(BaseModel):
    skip_current_image: bool = Field(default=False, title="Skip current image", description="Skip current image serialization")


StableDiffusionTxt2ImgProcessingAPI = _ours.Txt2ImgBody
StableDiffusionImg2ImgProcessingAPI = _ours.Img2ImgBody
__getattr__ = stubbed(__name__, "PydanticModelGenerator ModelDef InterrogateRequest InterrogateResponse")
