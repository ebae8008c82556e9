// The canvases of ControlNet's units: their content goes with a click on Generate, and to the preprocessor's preview.

(function () {
    "use strict";

    function canvas_ids() {
        return [...document.querySelectorAll("[id*='_controlnet_ControlNet'].webui-canvas")].map((each) => each.id);
    }

    function fill_in() {
        for (const id of canvas_ids()) {
            webui.fillers[`${id}_content`] = () => (webui.canvases[id] ? webui.canvases[id].content() : "");
        }
    }

    onUiLoaded(fill_in);
    webui.lateCallbacks.push(fill_in);

    function tab_size(base) {
        const tab = base.split("_")[0];
        return ["width", "height"].map((side) => Number(gradioApp().querySelector(`#${tab}_${side} input`)?.value || 512));
    }

    window.controlnetPreviewed = async function (base, values) {
        const canvas = webui.canvases[`${base}_input_image`];
        const filled = [...values];
        filled[0] = canvas ? await canvas.content() : "";
        filled.splice(-2, 2, ...tab_size(base));
        return filled;
    };

    window.controlnetDimensions = function (base) {
        const [width, height] = webui.canvases[`${base}_input_image`]?.size || [0, 0];
        const tab = base.split("_")[0];
        if (!width) {
            return [];
        }
        for (const [side, value] of [["width", width], ["height", height]]) {
            for (const input of gradioApp().querySelectorAll(`#${tab}_${side} input`)) {
                input.value = Math.max(64, Math.round(value / 8) * 8);
                updateInput(input);
            }
        }
        return [];
    };
})();
