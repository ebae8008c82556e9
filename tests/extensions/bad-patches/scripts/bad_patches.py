"""Puts a function of its own in place of Gradio's, which works until the page is built."""
import gradio as gr

original = gr.blocks.BlockContext.__init__


def init(self, *args, **kwargs):
    original(self, *args, **kwargs)
    if self.elem_id == "tab_img2img":
        raise RuntimeError("this tab is not what it was")


gr.blocks.BlockContext.__init__ = init
