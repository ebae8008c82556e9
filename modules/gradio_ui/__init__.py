"""The page: A1111's layout on Gradio 6, derived from the parameter and settings tables."""
