"""Where and how images are saved."""

from __future__ import annotations

from modules.schema.setting import RELOAD_PAGE, section, setting
from modules.schema.widgets import Checkbox, ColorPicker, Number, Radio, Slider, TextArea

PICTURE_FORMATS = ("png", "jpg", "jpeg", "jfif", "webp", "avif", "gif", "bmp", "tif", "tiff")  # that pictures can be saved in
_FORMATS = ("", *PICTURE_FORMATS, *(f".{each}" for each in PICTURE_FORMATS))  # as A1111's users type them; "" is png

SAVING_IMAGES = section(
    "Saving images/grids",
    "saving-images",
    "saving",
    setting("samples_save", True, "Save every image automatically", Checkbox()),
    setting("samples_format", "png", "File format for images", TextArea(), description="png, jpg, webp, avif, gif, bmp, tiff.", one_of=_FORMATS),
    setting(
        "samples_filename_pattern",
        "",
        "Images filename pattern",
        TextArea(),
        description="Empty: the seed, or seed and prompt when images are not saved to a subdirectory.",
    ),
    setting("save_images_add_number", True, "Number in front of the file name", Checkbox()),
    setting("save_images_replace_action", "Replace", "When a file of that name exists", Radio(("Replace", "Add number suffix"))),
    setting("grid_save", True, "Save grids automatically", Checkbox()),
    setting("grid_format", "png", "File format for grids", TextArea(), one_of=_FORMATS),
    setting("grid_extended_filename", False, "Seed and prompt in the grid's file name", Checkbox()),
    setting("grid_only_if_multiple", True, "No grid file for a single image", Checkbox()),
    setting("grid_prevent_empty_spots", False, "Choose rows so that no cell is empty", Checkbox()),
    setting(
        "grid_zip_filename_pattern",
        "",
        "Archive filename pattern",
        TextArea(),
        description="Name pattern of the zip made by the gallery button",
    ),
    setting("n_rows", -1, "Grid rows; -1 automatic, 0 same as batch size", Slider(-1, 16, 1)),
    setting("font", "", "Font for captioned grids", TextArea()),
    setting("grid_text_active_color", "#000000", "Text colour of grids", ColorPicker()),
    setting("grid_text_inactive_color", "#999999", "Colour of struck-out text in grids", ColorPicker()),
    setting("grid_background_color", "#ffffff", "Background colour of grids", ColorPicker()),
    setting("save_images_before_face_restoration", False, "Also keep the image before face restoration", Checkbox()),
    setting("save_images_before_highres_fix", False, "Also keep the first-pass image", Checkbox()),
    setting("save_images_before_color_correction", False, "Also keep the image before colour correction", Checkbox()),
    setting("save_mask", False, "Inpainting: save the mask too", Checkbox()),
    setting("save_mask_composite", False, "Inpainting: save the masked composite too", Checkbox()),
    setting("jpeg_quality", 80, "Quality of JPEG, WebP and AVIF files", Slider(1, 100, 1)),
    setting("webp_lossless", False, "Lossless WebP files", Checkbox()),
    setting("export_for_4chan", True, "Also save a JPEG copy of very large images", Checkbox()),
    setting("img_downscale_threshold", 4.0, "Size from which a JPEG copy is made, MB", Number()),
    setting("target_side_length", 4000, "Longest side of that copy, pixels", Number(0)),
    setting("img_max_size_mp", 200, "Maximum image size", Number(0), description="Megapixels; larger pictures and grids are refused."),
    setting("use_original_name_batch", True, "Extras batch keeps input names", Checkbox()),
    setting("use_upscaler_name_as_suffix", False, "Extras adds the upscaler to the name", Checkbox()),
    setting("save_selected_only", True, "The Save button saves only the selected picture", Checkbox()),
    setting("save_write_log_csv", True, "The Save button appends to log.csv", Checkbox()),
    setting("save_init_img", False, "img2img: keep the input picture", Checkbox()),
    setting("temp_dir", "", "Directory for temporary images; empty for the usual one", TextArea(), needs=RELOAD_PAGE),
    setting("clean_temp_dir_at_start", False, "Empty that directory at start", Checkbox()),
    setting("save_incomplete_images", False, "Save incomplete images", Checkbox(), description="Images of an interrupted run."),
    setting("notification_audio", True, "Play notification.mp3 when images are done", Checkbox(), needs=RELOAD_PAGE),
    setting("notification_volume", 100, "Notification sound volume", Slider(0, 100, 1)),
)

SAVING_PATHS = section(
    "Paths for saving",
    "saving-paths",
    "saving",
    setting("outdir_samples", "", "Directory for all images; empty for one per tab", TextArea()),
    setting("outdir_txt2img_samples", "outputs/txt2img-images", "Directory for txt2img images", TextArea()),
    setting("outdir_img2img_samples", "outputs/img2img-images", "Directory for img2img images", TextArea()),
    setting("outdir_extras_samples", "outputs/extras-images", "Directory for Extras images", TextArea()),
    setting("outdir_grids", "", "Directory for all grids; empty for one per tab", TextArea()),
    setting("outdir_txt2img_grids", "outputs/txt2img-grids", "Directory for txt2img grids", TextArea()),
    setting("outdir_img2img_grids", "outputs/img2img-grids", "Directory for img2img grids", TextArea()),
    setting("outdir_save", "log/images", "Directory of the Save button", TextArea()),
    setting("outdir_init_images", "outputs/init-images", "Directory for img2img input pictures", TextArea()),
)

SAVING_TO_DIRS = section(
    "Saving to a directory",
    "saving-to-dirs",
    "saving",
    setting("save_to_dirs", True, "Images into a subdirectory", Checkbox()),
    setting("grid_save_to_dirs", True, "Grids into a subdirectory", Checkbox()),
    setting("use_save_to_dirs_for_ui", False, "Save button saves into a subdirectory", Checkbox()),
    setting(
        "directories_filename_pattern",
        "[date]",
        "Directory name pattern",
        TextArea(),
        description="Such as [date] or [model_name]; empty for the first words of the prompt.",
    ),
    setting("directories_max_prompt_words", 8, "Number of words used by [prompt_words]", Slider(1, 20, 1)),
)

SECTIONS = (SAVING_IMAGES, SAVING_PATHS, SAVING_TO_DIRS)
