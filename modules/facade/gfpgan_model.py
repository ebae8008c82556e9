"""A1111's ``modules.gfpgan_model``: not a part of this program."""
from modules.a1111.stubs import stubbed

__getattr__ = stubbed(__name__, "setup_model gfpgan_face_restorer FaceRestorerGFPGAN gfpgan_fix_faces have_gfpgan user_path model_dir")
