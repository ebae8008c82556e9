"""Training of textual inversion embeddings and hypernetworks on a loaded model, whose own weights stay as they are."""
