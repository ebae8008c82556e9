hooksOrder.push("b");
const hooksLookFor = ["#hooks_inside textarea", "[id^='txt2img_controlnet_ControlNet-0'] input", "#txt2img_edit_style_prompt textarea", "#setting_hooks_place label.selected > span", "#setting_sd_vae input"];
onUiLoaded(() => {
    const missing = hooksLookFor.filter((selector) => !document.querySelector(selector));
    hooksOrder.push(missing.length ? `loaded too early: ${missing}` : "loaded, all is there");
});

// others take these for the signs that the page is complete
const hooksSigns = [], hooksButtons = ["txt2img", "img2img", "extras"].map((each) => `#image_buttons_${each} button`);
const hooksLacks = () => [...hooksLookFor, ...hooksButtons].filter((selector) => !document.querySelector(selector)).join();
function hooksFrame(frame) {
    hooksSigns.push(`frame ${frame.tagName}: ${hooksLacks()}`);
}
document.addEventListener("DOMContentLoaded", () => {
    const watch = new MutationObserver(() => {
        const field = document.querySelector("#settings_json textarea");
        if (field) {
            watch.disconnect();
            hooksSigns.push(`options ${JSON.parse(field.value).hooks_words}: ${hooksLacks()}`);
        }
    });
    watch.observe(gradioApp(), {childList: true, subtree: true});
    const look = () => gradioApp().querySelector("#txt2img_gallery") ? hooksSigns.push(`polled: ${hooksLacks()}`) : setTimeout(look, 10);
    look();
    const lookInside = () => document.querySelector("gradio-app")?.querySelector("#txt2img_prompt") ? hooksSigns.push(`looked inside: ${hooksLacks()}`) : setTimeout(lookInside, 10);
    lookInside();
});
