// The canvases of ControlNet's units: their content goes with a click on Generate, and to the preprocessor's preview.

(function () {
    "use strict";

    function canvas_ids() {
        return [...document.querySelectorAll("[id*='_controlnet_ControlNet'].webui-canvas")].map((each) => each.id);
    }

    // For each canvas and each set of tabs; the units come into the page late.
    function wire() {
        for (const id of canvas_ids()) {
            webui.fillers[`${id}_content`] = () => (webui.canvases[id] ? webui.canvases[id].content() : "");     // the page's own filler knows no units
        }
        for (const root of document.querySelectorAll("#controlnet .inner-tabs")) {
            if (!root.querySelector(":scope > .tab-nav").hasAttribute("role")) {
                webui.startInnerTabs(root);
            }
            if (root.id.endsWith("_input_tabs")) {
                webui.fillers[root.id.replace(/_tabs$/, "_mode")] = () => String(get_tab_index(root.id));
            }
        }
    }

    onUiLoaded(wire);
    webui.lateCallbacks.push(wire);
    onAfterUiUpdate(wire);

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
