"""From files to torch modules: checkpoints and VAEs, offline, each weight read once."""
