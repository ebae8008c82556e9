// What Safari does otherwise than the other browsers, made alike.

// On a Mac it gives what is pressed no focus, on an iPad the field that was written in keeps it: Esc would then not close what a button stands in (but interrupt
// the job), arrows not move a slider, and a field above would not know that it was left.
webui.pressed = null;

addEventListener("mousedown", (event) => {
    const element = event.target.closest?.("button, input:is([type=range], [type=checkbox], [type=radio])");
    webui.pressed = event.defaultPrevented || element === document.activeElement ? null : element;
});

addEventListener("focusin", (event) => {
    webui.pressed = event.target === webui.pressed ? null : webui.pressed;
}, true);

addEventListener("mouseup", () => {
    webui.pressed?.focus({preventScroll: true, focusVisible: false});
    webui.pressed = null;
}, true);

// An iPhone magnifies the page for each small field that is touched, unless told not to; two fingers still do, there alone.
webui.keepFieldsInPlace = function() {
    const meta = webui.find("meta[name=viewport]");
    if (meta && CSS.supports("-webkit-touch-callout", "none") && !meta.content.includes("maximum-scale")) {
        meta.content += ", maximum-scale=1";
    }
};

// Prompts are no sentences: nothing is written large or put right in them.
webui.leavePromptsAsTyped = function() {
    for (const area of document.querySelectorAll(":is(#txt2img_prompt, #txt2img_neg_prompt, #img2img_prompt, #img2img_neg_prompt) textarea")) {
        area.setAttribute("autocapitalize", "off");
        area.setAttribute("autocorrect", "off");
    }
};

onUiLoaded(() => {
    webui.keepFieldsInPlace();
    webui.leavePromptsAsTyped();
});
