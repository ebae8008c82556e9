"""Scripts that come with the house, in A1111's form; loaded file by file, as an extension's are."""
