"""Takes img2img's pictures for A1111's image components: reads them, shows others, listens."""
import gradio as gr
from PIL import Image

from modules import scripts


class Pictures(scripts.Script):
    places = {}

    def title(self):
        return "Hooks: pictures"

    def show(self, is_img2img):
        return scripts.AlwaysVisible if is_img2img else False

    def after_component(self, component, **kwargs):
        if kwargs.get("elem_id") in ("img2img_image", "img2maskimg") and component.elem_id == kwargs["elem_id"]:
            self.places[component.elem_id] = component
        if kwargs.get("elem_id") == "img2img_image":
            heard, changed = gr.Textbox(elem_id="hooks_heard", visible=False), gr.Textbox(elem_id="hooks_changed", visible=False)
            component.upload(lambda picture: f"came {picture.size}", inputs=[component], outputs=[heard])
            component.clear(lambda: "went", outputs=[heard])
            component.change(lambda picture: f"{picture and picture.size}", inputs=[component], outputs=[changed])

    def ui(self, is_img2img):
        plain, masked = self.places["img2img_image"], self.places["img2maskimg"]
        buttons = {name: gr.Button(name, elem_id=f"hooks_picture_{name}", visible=False) for name in ("show", "script", "away", "ask")}
        told = gr.Textbox(elem_id="hooks_picture_told", visible=False)
        buttons["show"].click(lambda: (Image.new("RGB", (48, 32), "red"), gr.Image.update(value=Image.new("RGB", (24, 16), "blue"))), outputs=[plain, masked])
        drawn = "() => { const made = document.createElement('canvas'); made.width = 20; made.height = 10; return made.toDataURL(); }"
        buttons["script"].click(None, _js=drawn, outputs=[plain])
        buttons["away"].click(lambda: None, outputs=[plain])
        buttons["ask"].click(lambda one, other: f"{one and (one.size, one.mode)} {other and (other['image'].size, other['mask'].size)}", inputs=[plain, masked], outputs=[told])
        of_theirs, said = gr.Image(Image.new("RGB", (6, 4), "lime"), type="pil", visible=False), gr.Textbox(elem_id="hooks_picture_said", visible=False)
        several = gr.Gallery([(Image.new("RGB", (3, 2), "navy"), "words")], visible=False)
        script = "(one, other, more) => { window.hooksPictures = [String(one).slice(0, 11), one.url.includes('file='), `${other}`.slice(0, 11), more[0].data.includes('file='), one.startsWith('data:')]; return [one, other, more]; }"
        taken = gr.Button("script takes", elem_id="hooks_picture_taken", visible=False)
        taken.click(lambda one, other, more: f"{one.size} {other.size} {len(more)}", _js=script, inputs=[of_theirs, plain, several], outputs=[said])
        return []
