"""The parts of X/Y/Z plot: what axes there are, how their values are read, how the sheet is put together."""
