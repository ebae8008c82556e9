"""A1111's ``modules.gfpgan_model``."""
from modules.a1111.face_restorers import OursAsRestorer as FaceRestorerGFPGAN
from modules.a1111.face_restorers import face_restorer, nothing_to_set_up as setup_model
from modules.a1111.stubs import stubbed

gfpgan_face_restorer = face_restorer("GFPGAN")
gfpgan_fix_faces = gfpgan_face_restorer.restore
have_gfpgan = True
__getattr__ = stubbed(__name__, "user_path model_dir")
