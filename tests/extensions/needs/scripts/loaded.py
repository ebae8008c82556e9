print("loaded although something is missing")
