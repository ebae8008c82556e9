"""Pictures as files and text: names, formats, the parameters inside them, grids."""
