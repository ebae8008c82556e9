def preload(parser):
    raise RuntimeError("broken on purpose")
