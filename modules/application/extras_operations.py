"""What the Extras tab can do to a picture, as the operations of one job, in A1111's order."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from modules.engine.extras import Enlargement, enlarged_picture, enlarged_size
from modules.engine.postprocess import Operation, PostPicture
from modules.imaging import crops
from modules.imaging.resize import as_transparent
from modules.schema.errors import InvalidValue
from modules.schema.params_extras import SCALE_TO, ExtrasRequest, Upscale

if TYPE_CHECKING:
    from modules.application.faces import JobFaces
    from modules.engine.upscale import KnownUpscalers

_MOST_PIXELS = 300_000_000          # of a result; three bytes each, and as many again while it is blended
NAMES = ("Upscale", "GFPGAN", "CodeFormer", "Split oversized images", "Auto focal point crop", "Auto-sized crop", "Create flipped copies", "Caption")
_MIRRORED = {"Horizontal": (ImageOps.mirror,), "Vertical": (ImageOps.flip,), "Both": (ImageOps.mirror, ImageOps.flip)}


@dataclass(frozen=True, kw_only=True)
class ExtrasTools:
    """What the operations of one job work with. from_page: its whole numbers are written without decimals, as A1111's page does.

    name_as_suffix: the upscaler's name goes into the file's name. again: may know a result from before; else it calls what makes it.
    captions: words for a picture, by one of CAPTIONERS. check_captions: raises InvalidValue where the captioner's file is missing.
    """

    upscalers: KnownUpscalers
    faces: JobFaces
    captions: Callable[[Image.Image, str], str] = lambda picture, kind: ""
    check_captions: Callable[[str], None] = lambda kind: None
    from_page: bool = False
    name_as_suffix: bool = False
    again: Callable[[Image.Image, Enlargement, Callable[[], Image.Image]], Image.Image] = lambda picture, wanted, make: make()

    def enlarged(self, picture: Image.Image, wanted: Enlargement) -> Image.Image:
        return self.again(picture, wanted, lambda: enlarged_picture(picture, wanted, self.upscalers))


def operations(asked: ExtrasRequest, tools: ExtrasTools, *, disabled: Sequence[str] = ()) -> list[Operation]:
    """Those that ``asked`` switches on. Raises InvalidValue and UnknownName for what cannot be done at all."""
    wanted = {
        "Upscale": (1000, asked.upscale.enabled and asked.upscale.upscaler_1 != "None", lambda each: _upscale(each, asked.upscale, tools)),
        "GFPGAN": (2000, asked.faces.gfpgan and asked.faces.gfpgan_visibility > 0, lambda each: _gfpgan(each, asked, tools)),
        "CodeFormer": (3000, asked.faces.codeformer and asked.faces.codeformer_visibility > 0, lambda each: _codeformer(each, asked, tools)),
        "Split oversized images": (4000, asked.crops.split, lambda each: _split(each, asked)),
        "Auto focal point crop": (4010, asked.crops.focal, lambda each: _focal(each, asked, tools)),
        "Auto-sized crop": (4020, asked.crops.autosized, lambda each: _autosized(each, asked)),
        "Create flipped copies": (4030, asked.copies.flip, lambda each: _flipped(each, asked.copies.flips)),
        "Caption": (4040, asked.copies.caption, lambda each: _captioned(each, asked.copies.captioners, tools)),
    }
    _check(asked, tools)
    return [Operation(name=name, order=order, apply=apply) for name, (order, on, apply) in wanted.items() if on and name not in disabled]


def check_result_size(picture: Image.Image, asked: ExtrasRequest) -> None:
    """Refuse, before any work, a result that no memory holds. Raises InvalidValue."""
    if not asked.upscale.enabled or asked.upscale.upscaler_1 == "None":
        return
    width, height = enlarged_size(picture, _enlargement(asked.upscale))
    if width * height > _MOST_PIXELS:
        raise InvalidValue(
            f"A {picture.width}x{picture.height} picture would become {width}x{height}, {width * height / 1e6:.0f} megapixels;"
            f" at most {_MOST_PIXELS / 1e6:.0f} are accepted.", "Ask for a smaller factor (upscaling_resize).", field="upscaling_resize")


def _check(asked: ExtrasRequest, tools: ExtrasTools) -> None:
    if asked.upscale.enabled:
        for name in (asked.upscale.upscaler_1, asked.upscale.upscaler_2):
            tools.upscalers.find_for_pictures(name)
    if asked.faces.gfpgan and asked.faces.gfpgan_visibility > 0:
        tools.faces.check("GFPGAN")
    if asked.faces.codeformer and asked.faces.codeformer_visibility > 0:
        tools.faces.check("CodeFormer")
    for kind in asked.copies.captioners if asked.copies.caption else ():
        tools.check_captions(kind)


def _enlargement(asked: Upscale) -> Enlargement:
    size = (asked.width, asked.height) if asked.resize_mode == SCALE_TO else None
    return Enlargement(
        upscaler=asked.upscaler_1, second=asked.upscaler_2, second_share=asked.share_of_second, factor=asked.factor, size=size, crop=asked.crop,
        longest_side=asked.longest_side if size is None else 0)


def _upscale(given: PostPicture, asked: Upscale, tools: ExtrasTools) -> Sequence[PostPicture]:
    wanted = _enlargement(asked)
    facts: dict[str, object] = dict(given.facts)
    if wanted.size is not None:
        facts["Postprocess upscale to"] = f"{asked.width}x{asked.height}"
        if asked.crop:
            facts["Postprocess crop to"] = f"{asked.width}x{asked.height}"
    else:
        facts["Postprocess upscale by"] = f"{asked.factor:g}" if tools.from_page else asked.factor
        if asked.longest_side and max(given.picture.size) * asked.factor > asked.longest_side:
            facts["Max side length"] = asked.longest_side
    facts["Postprocess upscaler"] = asked.upscaler_1
    tags = [asked.upscaler_1]
    if asked.upscaler_2 != "None" and asked.share_of_second > 0:
        facts["Postprocess upscaler 2"] = asked.upscaler_2
        tags.append(f"{asked.upscaler_2} {asked.share_of_second:g}")
    picture = tools.enlarged(given.picture, wanted)
    nametags = (*given.nametags, *tags) if tools.name_as_suffix else given.nametags
    return [replace(given, picture=picture, facts=facts, nametags=nametags)]


def _gfpgan(given: PostPicture, asked: ExtrasRequest, tools: ExtrasTools) -> Sequence[PostPicture]:
    share = asked.faces.gfpgan_visibility
    restored = tools.faces.restored(given.picture, "GFPGAN")
    return [_blended(given, restored, share, {"GFPGAN visibility": round(share, 3)})]


def _codeformer(given: PostPicture, asked: ExtrasRequest, tools: ExtrasTools) -> Sequence[PostPicture]:
    share, weight = asked.faces.codeformer_visibility, asked.faces.codeformer_weight
    restored = tools.faces.restored(given.picture, "CodeFormer", weight=weight)
    return [_blended(given, restored, share, {"CodeFormer visibility": round(share, 3), "CodeFormer weight": round(weight, 3)})]


def _blended(given: PostPicture, result: Image.Image, share: float, facts: dict[str, object]) -> PostPicture:
    picture = result if share >= 1 else Image.blend(given.picture.convert("RGB"), result, share)
    return replace(given, picture=as_transparent(picture, given.picture), facts={**given.facts, **facts})


def _target(given: PostPicture, asked: Upscale) -> tuple[int, int]:
    """The size that pieces and focal crops are to have: what Upscale scales to, else 512 x 512 as its fields start with."""
    return asked.width, asked.height


def _split(given: PostPicture, asked: ExtrasRequest) -> Sequence[PostPicture]:
    parts = crops.pieces(given.picture, _target(given, asked.upscale), threshold=asked.crops.split_threshold, overlap=asked.crops.overlap_ratio)
    return [replace(given, picture=part) for part in parts]


def _focal(given: PostPicture, asked: ExtrasRequest, tools: ExtrasTools) -> Sequence[PostPicture]:
    weights, picture = asked.crops, given.picture
    faces = tools.faces.boxes(picture) if weights.face_weight > 0 else ()
    point = crops.focal_point(
        picture, crops.Interests(face=weights.face_weight, entropy=weights.entropy_weight, edges=weights.edges_weight, faces=faces))
    cut, box = crops.focal_crop(picture, _target(given, asked.upscale), point)
    found = [replace(given, picture=cut)]
    if weights.show_focus:
        found.append(replace(given, picture=crops.focus_shown(picture, box, point, faces), nametags=(*given.nametags, "focal-crop-debug"), finished=True))
    return found


def _autosized(given: PostPicture, asked: ExtrasRequest) -> Sequence[PostPicture]:
    limits = asked.crops
    search = crops.SizeSearch(
        sides=(limits.smallest_side, limits.largest_side), areas=(limits.smallest_area, limits.largest_area), error=limits.error_threshold,
        prefers_area=limits.objective == "Maximize area")
    size = search.best(*given.picture.size)
    return [given if size is None else replace(given, picture=crops.middle_crop(given.picture, size))]


def _flipped(given: PostPicture, kinds: Sequence[str]) -> Sequence[PostPicture]:
    found = [given]
    for kind in kinds:
        picture = given.picture
        for flip in _MIRRORED.get(kind, ()):
            picture = flip(picture)
        found.append(replace(given, picture=picture))
    return found


def _captioned(given: PostPicture, kinds: Sequence[str], tools: ExtrasTools) -> Sequence[PostPicture]:
    words = [given.caption, *(tools.captions(given.picture, kind) for kind in kinds)]
    return [replace(given, caption=", ".join(each for each in words if each))]
