"""The words of buttons that bear only a picture: shown as tooltips and read by screen readers."""

from __future__ import annotations

_ON_GENERATION_TABS = {
    "{tab}_res_switch_btn": "Swap width and height",
    "{tab}_random_seed": "Random seed: sets it to -1",
    "{tab}_reuse_seed": "Take the seed of the last picture",
    "{tab}_random_subseed": "Random variation seed: sets it to -1",
    "{tab}_reuse_subseed": "Take the variation seed of the last picture",
    "{tab}_clear_prompt": "Clear the prompt and the negative prompt",
    "{tab}_style_apply": "Write the chosen styles into the prompts",
    "{tab}_prompt_history": "Recent prompts",
    "{tab}_styles_edit_button": "Make, change and delete styles",
    "{tab}_style_apply_dialog": "Write the chosen styles into the prompts, or this one where none is chosen",
    "{tab}_style_copy": "Copy the prompts into this style",
    "refresh_{tab}_styles": "Read the styles file again",
    "{tab}_restore_progress": "Show the result of the last job",
    "{tab}_open_folder": "Open the folder with the pictures",
    "save_{tab}": "Save the chosen picture once more, into the Save folder; all of them while the sheet or none is chosen",
    "save_zip_{tab}": "Save all pictures into the Save folder, and a zip archive of them",
    "{tab}_send_to_img2img": "Send the picture and its parameters to img2img",
    "{tab}_send_to_inpaint": "Send the picture and its parameters to inpainting",
    "{tab}_send_to_extras": "Send the picture to Extras",
    "{tab}_checkpoint_refresh": "Look for checkpoints again",
    "{tab}_generate": "Start the job (Ctrl+Enter). While one runs, a click puts another in line; Ctrl+Enter interrupts it and starts anew",
    "{tab}_interrupt": "Stop at the next step and keep what is finished (Esc)",
    "{tab}_skip": "Leave this picture, go on with the next one (Alt+Enter)",
}
_PASTE = "Read generation parameters from the prompt, or from the last picture if it is empty, and fill them in"
_ONCE = {
    "paste": _PASTE,
    "img2img_paste": _PASTE,
    "refresh_checkpoint_A": "Look for checkpoints again",
    "refresh_checkpoint_B": "Look for checkpoints again",
    "refresh_checkpoint_C": "Look for checkpoints again",
    "modelmerger_refresh_bake_in_vae": "Look for VAE files again",
    "extras_refresh_upscalers": "Look for upscalers again",
    "upscaling_res_switch_btn": "Swap width and height",
    "interrogate": "Interrogate CLIP: describe the picture in words",
    "deepbooru": "Interrogate DeepBooru: describe the picture in tags",
    "img2img_detect_image_size_btn": "Take width and height from the picture",
    "refresh_sd_model_checkpoint": "Look for checkpoints again",
    "txt2img_upscale": "Run hires fix on the chosen picture, with the values on the left",
    "refresh_config_states": "Look for saved configs again",
    "refresh_train_embedding_name": "Look for embeddings again",
    "refresh_train_hypernetwork_name": "Look for hypernetworks again",
    "refrsh_train_template_file": "Look for templates again",
    "hr_checkpoint_refresh": "Look for checkpoints again",
    **{f"xyz_grid_fill_{axis}_tool_button": f"Fill in all values of {axis.upper()}" for axis in "xyz"},
}


def button_titles(tabs: tuple[str, ...]) -> dict[str, str]:
    """elem_id -> words, for the generation tabs that there are."""
    return {elem_id.replace("{tab}", tab): words for tab in tabs for elem_id, words in _ON_GENERATION_TABS.items()} | _ONCE
