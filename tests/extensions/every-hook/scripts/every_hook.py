"""Tells each of its hooks, and does there what a test put into ``acts``: name of the hook -> function(p, what the hook was handed)."""
from modules import scripts

acts = {}
heard = []


def hook(name):
    def method(self, p, *args, **kwargs):
        handed = kwargs if kwargs or not args else args[0]
        heard.append((name, handed))
        if name in acts:
            acts[name](p, handed)

    return method


class EveryHook(scripts.Script):
    def title(self):
        return "Every hook"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    setup = hook("setup")
    before_process = hook("before_process")
    process = hook("process")
    before_process_batch = hook("before_process_batch")
    after_extra_networks_activate = hook("after_extra_networks_activate")
    process_batch = hook("process_batch")
    before_hr = hook("before_hr")
    process_before_every_sampling = hook("process_before_every_sampling")
    post_sample = hook("post_sample")
    postprocess_batch = hook("postprocess_batch")
    postprocess_image = hook("postprocess_image")
    postprocess = hook("postprocess")
