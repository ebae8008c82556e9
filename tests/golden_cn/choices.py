"""Where our answer is another one than the original's, and why; which cases an ordinary run leaves out."""

from __future__ import annotations

# refused with a sentence (a part of it) where the original answered 500, or made a picture without ControlNet and said nothing
REFUSED: dict[str, str] = {
    "module-upper-case": "module(Canny) not found", "model-wrong-hash": "There is no control model called 'control-tiny-canny [00000000]'",
    "image-two-dicts": "2 pictures are given for one unit",
    "bad-image-null": "no input image is given", "bad-image-empty": "the image", "bad-image-bad-base64": "the image", "bad-image-int": "the image is no picture",
    "bad-image-empty-list": "the list of pictures is empty", "bad-image-no-such-path": "the image", "bad-image-http": "the image",
    "bad-unknown-module": "not found", "bad-unknown-model": "There is no control model called 'nope'", "bad-i2i-unknown-model": "There is no control model called 'nope'",
    "two-units-second-bad": "There is no control model called 'nope'", "two-units-first-bad": "module(nope) not found",
    "bad-model-none": "no model is chosen", "bad-model-missing": "no model is chosen", "bad-model-null": "model is 'None'", "bad-module-null": "module is 'None'",
    "bad-weight-big": "not between 0 and 2", "bad-weight-negative": "not between 0 and 2", "bad-weight-null": "weight", "bad-mode-unknown": "control_mode",
    "bad-hr-unknown": "hr_option", "bad-hr-both-lower": "hr_option", "bad-advanced-word": "advanced_weighting", "bad-advanced-scalar": "advanced_weighting",
    "bad-region-reference": "whole picture", "bad-region-rgb-reference": "whole picture", "bad-mask-size-mismatch": "its mask 64x96",
    "bad-mask-without-image": "a mask is given and no picture", "bad-mask-and-mask-image": "mask", "bad-alias-conflict": "one field",
    "bad-revision-on-sd1": "revision_clipvision", "bad-processor-res-word": "processor_res", "bad-threshold-null": "threshold_a", "bad-enabled-word": "enabled",
    "bad-input-mode-unknown": "input_mode", "bad-save-map-word": "save_detected_map", "bad-union-type-unknown": "union_control_type",
    "bad-args-dict": "not a list", "bad-script-list": "not a list", "bad-i2i-start-gt-end": "guidance_start(0.8) > guidance_end(0.2)",
}  # fmt: skip

# makes a picture where the original failed, or another picture: the reason
ELSEWHERE: dict[str, str] = {
    "bad-mode-int-0": "modes as integers are what clients sent for years", "bad-mode-int-1": "modes as integers are what clients sent for years",
    "bad-resize-int-0": "modes as integers are what clients sent for years", "bad-resize-int-1": "modes as integers are what clients sent for years",
    "bad-resize-int-2": "modes as integers are what clients sent for years",
    "hires-resize-x-only": "one side of the hires size is enough; the other follows in proportion",
    "region-two-units": "a grey region mask is a mask; the original gave up both units",
    "bad-xl-model": "the tensors say for which family a network is, its name does not: this one is for SD1",
}  # fmt: skip

# the answer of another stored case: the original failed, we do what was meant
SAME_AS: dict[str, str] = {
    "region-left": "region-rgb-left", "region-gradient": "region-rgb-gradient", "region-mask-128": "region-rgb-mask-128", "region-t2i": "region-rgb-t2i",
    "hires-region": "region-rgb-hires",
}

# the cases of an ordinary run, beside all that are refused: one of each kind; the others differ from one of these in numbers
ORDINARY = frozenset(
    """off unit-disabled canny-w1 canny-w0 canny-w1-heun canny-w1-ddim model-substring module-key-of-label mode-balanced-batch2 mode-prompt mode-prompt-t2i
    mode-control-cond-uncond-off mode-control-and window-0.25-0.6-dpmpp-sde window-1-1-euler window-two-units resize-canny-160x96-resize-and-fill
    resize-none-200x120-just-resize resize-lines-invert-crop-and-resize pixel-perfect-resize-and-fill size-72x104-t2i processor-res-33 threshold-200-50 module-xdog-10
    module-threshold-60 module-tile-resample-4 module-tile_colorfix-sharp--1 module-recolor-luminance-0.6 module-color-grid shuffle-gap-subseed t2i-inpaint-nomask
    t2i-inpaint-only t2i-inpaint-wide-fill reference-adain-attn-fid-1 reference-only-control reference-two-units image-dict image-merge-two image-rgba
    mask-on-canny mask-on-canny-ignored alias-guidance enabled-string-true opt-no-detectmap two-units-cn-t2i three-units arg-none-first s-min-uncond advanced-13-control
    advanced-t2i-5 region-left region-rgb-shuffle hires-canny-both hires-none-low hires-canny-high hires-resize-x-only hires-inpaint-only hires-recolor
    hires-tile-colorfix-low hires-reference i2i-canny-own i2i-no-image-a1111-resize-2 i2i-dpmpp2m-karras-window i2i-nomask-inpaint-only inp-inpaint-only
    inp-masked-inpaint-only-crop1 inp-masked-canny-own-crop1 inp-masked-none-crop0 inp-masked-own-resize-and-fill lora-canny rng-nv-shuffle i2i-d0
    bad-mode-int-1 bad-resize-int-2 bad-enabled-int bad-args-missing""".split()  # noqa: SIM905
)
