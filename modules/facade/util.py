"""A1111's ``modules.util``."""
from modules.a1111.shared_values import GenerationParametersList, compare_sha256, html, html_path, ldm_print, listfiles, load_file_from_url, natural_sort_key, open_folder, topological_sort, truncate_path, walk_files, walk_image_files, MassFileLister
