"""Model families as data: one frozen row per variant, recognised by the names and shapes in a file's header."""
