"""A1111's ``modules.styles``."""
from modules.a1111.style_names import PromptStyle, StyleDatabase, apply_styles_to_prompt, extract_original_prompts, extract_style_text_from_prompt, merge_prompts
