raise RuntimeError("this must not be loaded")
