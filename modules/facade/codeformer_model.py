"""A1111's ``modules.codeformer_model``."""
from modules.a1111.face_restorers import OursAsRestorer as FaceRestorerCodeFormer
from modules.a1111.face_restorers import face_restorer, nothing_to_set_up as setup_model

codeformer = face_restorer("CodeFormer")
have_codeformer = True
