hooksOrder.push("b");
const hooksLookFor = ["#hooks_inside textarea", "[id^='txt2img_controlnet_ControlNet-0'] input", "#txt2img_edit_style_prompt textarea"];
onUiLoaded(() => {
    const missing = hooksLookFor.filter((selector) => !document.querySelector(selector));
    hooksOrder.push(missing.length ? `loaded too early: ${missing}` : "loaded, all is there");
});
