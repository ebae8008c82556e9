"""The file layer: whole files or nothing, and no path outside its root."""
