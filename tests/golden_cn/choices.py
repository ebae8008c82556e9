"""Where our answer is another one than the original's, and why; which cases an ordinary run leaves out."""

from __future__ import annotations

# refused with a sentence (a part of it) where the original answered 500, or made a picture without ControlNet and said nothing
REFUSED: dict[str, str] = {
    "module-upper-case": "module(Canny) not found", "model-wrong-hash": "There is no control model called 'control-tiny-canny [00000000]'",
    "image-two-dicts": "2 pictures are given for one unit",
    "bad-image-null": "no input image is given", "bad-image-empty": "no input image is given", "bad-image-bad-base64": "the image", "bad-image-int": "the image is no picture",
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
    """off canny-w1 canny-w1-ddim module-key-of-label mode-balanced-batch2 mode-prompt-t2i mode-control-and window-0.25-0.6-dpmpp-sde window-two-units
    resize-canny-160x96-resize-and-fill pixel-perfect-resize-and-fill processor-res-33 module-tile_colorfix-sharp--1 module-color-grid shuffle-gap-subseed
    t2i-inpaint-only reference-adain-attn-fid-1 reference-two-units image-dict image-rgba mask-on-canny alias-guidance opt-no-detectmap three-units s-min-uncond
    advanced-13-control region-rgb-shuffle hires-canny-both hires-none-low hires-resize-x-only hires-tile-colorfix-low hires-reference i2i-canny-own
    i2i-dpmpp2m-karras-window inp-inpaint-only inp-masked-canny-own-crop1 inp-masked-own-resize-and-fill lora-canny bad-mode-int-1 bad-resize-int-2
    bad-enabled-int bad-args-missing""".split()  # noqa: SIM905
)
