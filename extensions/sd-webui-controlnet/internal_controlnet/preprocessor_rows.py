"""The preprocessors' names as rows of data, in the order in which they are listed. A row: key, label, tags, resolution, sliders, model_free.

sliders: (label, default, least, most, step). resolution: default of the Resolution slider, None where there is none.
"""

from __future__ import annotations

Row = tuple[str, str, tuple[str, ...], int | None, tuple[tuple[str, float, float, float, float], ...], bool]

ROWS: tuple[Row, ...] = (
    ("none", "none", ("InstructP2P",), 512, (), False),
    ("ip-adapter-auto", "ip-adapter-auto", ("IP-Adapter",), 512, (), False),
    ("tile_resample", "tile_resample", ("Tile",), 512, (("Down Sampling Rate", 1.0, 1.0, 8.0, 0.01),), False),
    ("pidinet", "softedge_pidinet", ("SoftEdge",), 512, (), False),
    ("oneformer_ade20k", "seg_ofade20k", ("Segmentation",), 512, (), False),
    ("pidinet_scribble", "scribble_pidinet", ("Scribble", "SparseCtrl"), 512, (), False),
    ("revision_clipvision", "revision_clipvision", ("Revision",), 512, (("Noise Augmentation", 0.0, 0.0, 1.0, 0.01),), True),
    ("reference_only", "reference_only", ("Reference",), 512, (("Style Fidelity (only for Balanced mode)", 0.5, 0.0, 1.0, 0.01),), True),
    ("recolor_luminance", "recolor_luminance", ("Recolor",), 512, (("Gamma Correction", 1.0, 0.1, 2.0, 0.001),), False),
    ("openpose_full", "openpose_full", ("OpenPose",), 512, (), False),
    ("normal_bae", "normal_bae", ("NormalMap",), 512, (), False),
    ("mlsd", "mlsd", ("MLSD",), 512, (("MLSD Value Threshold", 0.1, 0.01, 2.0, 0.01), ("MLSD Distance Threshold", 0.1, 0.01, 20.0, 0.01)), False),
    ("lineart_standard", "lineart_standard (from white bg & black line)", ("Lineart",), 512, (), False),
    ("ip-adapter_clip_sd15", "ip-adapter_clip_h", ("IP-Adapter",), 512, (), False),
    ("inpaint_only", "inpaint_only", ("Inpaint",), None, (), False),
    ("depth", "depth_midas", ("Depth",), 512, (), False),
    ("canny", "canny", ("Canny",), 512, (("Low Threshold", 100, 1, 255, 1), ("High Threshold", 200, 1, 255, 1)), False),
    ("invert", "invert (from white bg & black line)", ("Canny", "Lineart", "MLSD", "Scribble"), None, (), False),
    ("tile_colorfix+sharp", "tile_colorfix+sharp", ("Tile",), 512, (("Variation", 8.0, 3.0, 32.0, 1.0), ("Sharpness", 1.0, 0.0, 2.0, 0.01)), False),
    ("tile_colorfix", "tile_colorfix", ("Tile",), 512, (("Variation", 8.0, 3.0, 32.0, 1.0),), False),
    ("threshold", "threshold", (), 512, (("Binarization Threshold", 127, 0, 255, 0.01),), False),
    ("clip_vision", "t2ia_style_clipvision", ("T2I-Adapter",), 512, (), False),
    ("pidinet_sketch", "t2ia_sketch_pidi", ("T2I-Adapter",), 512, (), False),
    ("color", "t2ia_color_grid", ("T2I-Adapter",), 512, (), False),
    ("softedge_teed", "softedge_teed", ("SoftEdge",), 512, (("Safe Steps", 2, 0, 10, 1),), False),
    ("pidinet_safe", "softedge_pidisafe", ("SoftEdge",), 512, (), False),
    ("hed_safe", "softedge_hedsafe", ("SoftEdge",), 512, (), False),
    ("hed", "softedge_hed", ("SoftEdge",), 512, (), False),
    ("softedge_anyline", "softedge_anyline", ("SoftEdge",), 1280, (("Safe Steps", 2, 0, 10, 1),), False),
    ("shuffle", "shuffle", ("Shuffle",), None, (), False),
    ("segmentation", "seg_ufade20k", ("Segmentation",), 512, (), False),
    ("oneformer_coco", "seg_ofcoco", ("Segmentation",), 512, (), False),
    ("anime_face_segment", "seg_anime_face", ("Segmentation",), 512, (), False),
    ("scribble_xdog", "scribble_xdog", ("Scribble", "SparseCtrl"), 512, (("XDoG Threshold", 32, 1, 64, 0.01),), False),
    ("scribble_hed", "scribble_hed", ("Scribble", "SparseCtrl"), 512, (), False),
    ("revision_ignore_prompt", "revision_ignore_prompt", ("Revision",), 512, (("Noise Augmentation", 0.0, 0.0, 1.0, 0.01),), True),
    ("reference_adain+attn", "reference_adain+attn", ("Reference",), 512, (("Style Fidelity (only for Balanced mode)", 0.5, 0.0, 1.0, 0.01),), True),
    ("reference_adain", "reference_adain", ("Reference",), 512, (("Style Fidelity (only for Balanced mode)", 0.5, 0.0, 1.0, 0.01),), True),
    ("recolor_intensity", "recolor_intensity", ("Recolor",), 512, (("Gamma Correction", 1.0, 0.1, 2.0, 0.001),), False),
    ("openpose_hand", "openpose_hand", ("OpenPose",), 512, (), False),
    ("openpose_faceonly", "openpose_faceonly", ("OpenPose",), 512, (), False),
    ("openpose_face", "openpose_face", ("OpenPose",), 512, (), False),
    ("openpose", "openpose", ("OpenPose",), 512, (), False),
    ("normal_map", "normal_midas", ("NormalMap",), 512, (("Normal Background Threshold", 0.4, 0.0, 1.0, 0.01),), False),
    ("normal_dsine", "normal_dsine", ("NormalMap",), 512, (("Fov", 60, 0, 360, 0.1), ("Iterations", 5, 1, 20, 1)), False),
    ("mobile_sam", "mobile_sam", ("Segmentation",), 512, (), False),
    ("mediapipe_face", "mediapipe_face", (), 512, (("Max Faces", 1, 1, 10, 1), ("Min Face Confidence", 0.5, 0.01, 1.0, 0.01)), False),
    ("lineart", "lineart_realistic", ("Lineart",), 512, (), False),
    ("lineart_coarse", "lineart_coarse", ("Lineart",), 512, (), False),
    ("lineart_anime_denoise", "lineart_anime_denoise", ("Lineart",), 512, (), False),
    ("lineart_anime", "lineart_anime", ("Lineart",), 512, (), False),
    ("ip-adapter_pulid", "ip-adapter_pulid", ("IP-Adapter",), None, (), False),
    ("ip-adapter_face_id_plus", "ip-adapter_face_id_plus", ("IP-Adapter",), 512, (), False),
    ("ip-adapter_face_id", "ip-adapter_face_id", ("IP-Adapter",), 512, (), False),
    ("ip-adapter_clip_sdxl_plus_vith", "ip-adapter_clip_sdxl_plus_vith", ("IP-Adapter",), 512, (), False),
    ("ip-adapter_clip_sdxl", "ip-adapter_clip_g", ("IP-Adapter",), 512, (), False),
    ("instant_id_face_keypoints", "instant_id_face_keypoints", ("Instant-ID",), 512, (), False),
    ("instant_id_face_embedding", "instant_id_face_embedding", ("Instant-ID",), 512, (), False),
    ("inpaint_only+lama", "inpaint_only+lama", ("Inpaint",), None, (), False),
    ("inpaint", "inpaint_global_harmonious", ("Inpaint",), None, (), False),
    ("facexlib", "facexlib", (), None, (), False),
    ("dw_openpose_full", "dw_openpose_full", ("OpenPose",), 512, (), False),
    ("depth_zoe", "depth_zoe", ("Depth",), 512, (), False),
    ("depth_leres++", "depth_leres++", ("Depth",), 512, (("Remove Near %", 0, 0, 100, 0.1), ("Remove Background %", 0, 0, 100, 0.1)), False),
    ("depth_leres", "depth_leres", ("Depth",), 512, (("Remove Near %", 0, 0, 100, 0.1), ("Remove Background %", 0, 0, 100, 0.1)), False),
    ("depth_hand_refiner", "depth_hand_refiner", ("Depth",), 512, (), False),
    ("depth_anything_v2", "depth_anything_v2", ("Depth",), 512, (), False),
    ("depth_anything", "depth_anything", ("Depth",), 512, (), False),
    ("densepose_parula", "densepose_parula (black bg & blue torso)", ("OpenPose",), 512, (), False),
    ("densepose", "densepose (pruple bg & purple torso)", ("OpenPose",), 512, (), False),
    ("blur_gaussian", "blur_gaussian", ("Tile",), 512, (("Sigma", 9.0, 0.01, 64.0, 0.01),), False),
    ("animal_openpose", "animal_openpose", ("OpenPose",), 512, (), False),
)  # fmt: skip

_BUFFALO = "https://huggingface.co/public-data/insightface/resolve/main/models/buffalo_l"
_FACE_FILES = (f"{_BUFFALO}/det_10g.onnx", f"{_BUFFALO}/w600k_r50.onnx")
_ANTELOPE = "https://huggingface.co/DIAMONIK7777/antelopev2/resolve/main"
_INSTANT_FILES = (f"{_ANTELOPE}/scrfd_10g_bnkps.onnx", f"{_ANTELOPE}/glintr100.onnx")
# key -> (folder below models/ControlNetPreprocessor, where each file can be had); what is not named here needs no file
WEIGHTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "hed": ("hed", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/ControlNetHED.pth",)),
    "hed_safe": ("hed", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/ControlNetHED.pth",)),
    "scribble_hed": ("hed", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/ControlNetHED.pth",)),
    "pidinet": ("pidinet", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/table5_pidinet.pth",)),
    "pidinet_safe": ("pidinet", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/table5_pidinet.pth",)),
    "pidinet_scribble": ("pidinet", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/table5_pidinet.pth",)),
    "pidinet_sketch": ("pidinet", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/table5_pidinet.pth",)),
    "mlsd": ("mlsd", ("https://huggingface.co/lllyasviel/ControlNet/resolve/main/annotator/ckpts/mlsd_large_512_fp32.pth",)),
    "depth": ("midas", ("https://huggingface.co/lllyasviel/ControlNet/resolve/main/annotator/ckpts/dpt_hybrid-midas-501f0c75.pt",)),
    "normal_map": ("midas", ("https://huggingface.co/lllyasviel/ControlNet/resolve/main/annotator/ckpts/dpt_hybrid-midas-501f0c75.pt",)),
    "depth_leres": ("leres", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/res101.pth",)),
    "depth_leres++": ("leres", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/res101.pth", "https://huggingface.co/lllyasviel/Annotators/resolve/main/latest_net_G.pth")),
    "depth_zoe": ("zoedepth", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/ZoeD_M12_N.pt",)),
    "depth_anything": ("depth_anything", ("https://huggingface.co/spaces/LiheYoung/Depth-Anything/resolve/main/checkpoints/depth_anything_vitl14.pth",)),
    "depth_anything_v2": ("depth_anything_v2", ("https://huggingface.co/MackinationsAi/Depth-Anything-V2_Safetensors/resolve/main/depth_anything_v2_vitl.safetensors",)),
    "normal_bae": ("normal_bae", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/scannet.pt",)),
    "normal_dsine": ("normal_dsine", ("https://huggingface.co/bdsqlsz/qinglong_controlnet-lllite/resolve/main/Annotators/dsine.pt",)),
    "openpose": ("openpose", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/body_pose_model.pth",)),
    "openpose_hand": ("openpose", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/body_pose_model.pth", "https://huggingface.co/lllyasviel/Annotators/resolve/main/hand_pose_model.pth")),
    "openpose_face": ("openpose", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/body_pose_model.pth", "https://huggingface.co/lllyasviel/Annotators/resolve/main/facenet.pth")),
    "openpose_faceonly": ("openpose", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/body_pose_model.pth", "https://huggingface.co/lllyasviel/Annotators/resolve/main/facenet.pth")),
    "openpose_full": ("openpose", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/body_pose_model.pth", "https://huggingface.co/lllyasviel/Annotators/resolve/main/hand_pose_model.pth", "https://huggingface.co/lllyasviel/Annotators/resolve/main/facenet.pth")),
    "dw_openpose_full": ("openpose", ("https://huggingface.co/yzd-v/DWPose/resolve/main/yolox_l.onnx", "https://huggingface.co/yzd-v/DWPose/resolve/main/dw-ll_ucoco_384.onnx")),
    "animal_openpose": ("openpose", ("https://huggingface.co/yzd-v/DWPose/resolve/main/yolox_l.onnx", "https://huggingface.co/bdsqlsz/qinglong_controlnet-lllite/resolve/main/Annotators/rtmpose-m_simcc-ap10k_pt-aic-coco_210e-256x256-7a041aa1_20230206.onnx")),
    "lineart": ("lineart", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/sk_model.pth",)),
    "lineart_coarse": ("lineart", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/sk_model2.pth",)),
    "lineart_anime": ("lineart_anime", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/netG.pth",)),
    "lineart_anime_denoise": ("manga_line", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/erika.pth",)),
    "segmentation": ("uniformer", ("https://huggingface.co/lllyasviel/ControlNet/resolve/main/annotator/ckpts/upernet_global_small.pth",)),
    "oneformer_ade20k": ("oneformer", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/250_16_swin_l_oneformer_ade20k_160k.pth",)),
    "oneformer_coco": ("oneformer", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/150_16_swin_l_oneformer_coco_100ep.pth",)),
    "anime_face_segment": ("anime_face_segment", ("https://huggingface.co/bdsqlsz/qinglong_controlnet-lllite/resolve/main/Annotators/UNet.pth",)),
    "softedge_teed": ("TEED", ("https://huggingface.co/bdsqlsz/qinglong_controlnet-lllite/resolve/main/Annotators/7_model.pth",)),
    "softedge_anyline": ("Anyline", ("https://huggingface.co/TheMistoAI/MistoLine/resolve/main/Anyline/MTEED.pth",)),
    "mobile_sam": ("mobile_sam", ("https://huggingface.co/dhkim2810/MobileSAM/resolve/main/mobile_sam.pt",)),
    "inpaint_only+lama": ("lama", ("https://huggingface.co/lllyasviel/Annotators/resolve/main/ControlNetLama.pth",)),
    "ip-adapter_face_id": ("insightface/models/buffalo_l", _FACE_FILES),
    "ip-adapter_face_id_plus": ("insightface/models/buffalo_l", _FACE_FILES),
    "instant_id_face_embedding": ("insightface/models/antelopev2", _INSTANT_FILES),
    "instant_id_face_keypoints": ("insightface/models/antelopev2", _INSTANT_FILES),
    "ip-adapter_pulid": ("insightface", ("https://huggingface.co/DIAMONIK7777/antelopev2/resolve/main/1k3d68.onnx", "https://huggingface.co/DIAMONIK7777/antelopev2/resolve/main/2d106det.onnx", "https://huggingface.co/DIAMONIK7777/antelopev2/resolve/main/genderage.onnx", "https://huggingface.co/DIAMONIK7777/antelopev2/resolve/main/glintr100.onnx", "https://huggingface.co/DIAMONIK7777/antelopev2/resolve/main/scrfd_10g_bnkps.onnx")),
    "densepose": ("densepose", ("https://huggingface.co/LayerNorm/DensePose-TorchScript-with-hint-image/resolve/main/densepose_r50_fpn_dl.torchscript",)),
    "densepose_parula": ("densepose", ("https://huggingface.co/LayerNorm/DensePose-TorchScript-with-hint-image/resolve/main/densepose_r50_fpn_dl.torchscript",)),
}

# those whose network this version runs
RUN_BY_NETWORKS = frozenset((
    "hed", "hed_safe", "scribble_hed", "pidinet", "pidinet_safe", "pidinet_scribble", "pidinet_sketch", "mlsd", "lineart", "lineart_coarse", "lineart_anime",
    "softedge_teed", "normal_bae", "depth_leres", "depth_leres++", "depth_anything", "depth_anything_v2",
    "softedge_anyline", "depth", "depth_zoe", "normal_map", "openpose", "openpose_hand", "openpose_face", "openpose_faceonly", "openpose_full",
    "dw_openpose_full", "animal_openpose", "instant_id_face_keypoints", "oneformer_ade20k", "oneformer_coco",
    "inpaint_only+lama", "normal_dsine", "mobile_sam", "segmentation", "anime_face_segment", "lineart_anime_denoise",
))  # fmt: skip

# key -> the picture encoder through which it looks ("": the one that the IP-Adapter was trained with); what it sees is no picture
LOOKS = {
    "ip-adapter-auto": "", "ip-adapter_clip_sd15": "clip_h", "ip-adapter_clip_sdxl_plus_vith": "clip_h", "ip-adapter_clip_sdxl": "clip_g", "clip_vision": "clip_vitl",
    "ip-adapter_face_id": "clip_h", "ip-adapter_face_id_plus": "clip_h", "revision_clipvision": "clip_g", "revision_ignore_prompt": "clip_g",
    "instant_id_face_embedding": "clip_h",
}  # fmt: skip
FACE_ID, INSTANT_ID = "ip-adapter_face_id", "instant_id_face_embedding"
READS_FACES = (FACE_ID, "ip-adapter_face_id_plus", INSTANT_ID)     # through InsightFace's networks, and CLIP where the adapter wants it

# key -> (why this version does not run it, what to do instead)
_OWN_HINT = "Choose 'none' and give the finished hint picture."
_PROGRAM = ("its file is no table of weights but a program (TorchScript), and this version runs no programs out of model files", _OWN_HINT)
NOT_RUN = {
    "densepose": _PROGRAM, "densepose_parula": _PROGRAM,
    "depth_hand_refiner": ("it fits a model of the hand (MANO) that may not be passed on, and a network of its own (MeshGraphormer)",
                           "Choose depth_anything_v2 for the whole picture, or 'none' and give the finished hint picture."),
    "facexlib": ("it prepares the face for PuLID, which this version does not run", _OWN_HINT),
    "ip-adapter_pulid": ("PuLID's adapters need a picture encoder (EVA02-CLIP) that this version has not",
                         "Choose ip-adapter-auto, and an IP-Adapter such as ip-adapter-faceid or ip-adapter-plus-face."),
}  # fmt: skip
