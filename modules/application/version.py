"""Who made a picture, as its parameters say."""
NAME = "stable-diffusion-webui"
VERSION = "0.1.0"

# A1111 and its readers take the leading number for the behaviour to expect, and switch old behaviour on below 1.6:
# our pictures follow 1.10.1, and what stands behind the dash says that they are ours.
INFOTEXT_VERSION = f"v1.10.1-next-{VERSION}"
