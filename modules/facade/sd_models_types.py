"""A1111's ``modules.sd_models_types``."""
from modules.a1111.model_view import SdModel as WebuiSdModel
