// The Extras tab: which of its pictures count, the size to scale to, pictures that are sent here.

webui.startExtras = function() {
    const canvas = webui.canvases.extras_image;
    webui.fillers.extras_mode = () => String(get_tab_index("mode_extras"));
    webui.fillers.extras_resize_tab = () => String(get_tab_index("extras_resize_mode"));
    webui.fillers.extras_image_content = () => (get_tab_index("mode_extras") === 0 ? canvas.content() : "");
    webui.refusedCallbacks.push((tab) => tab === "extras" && canvas.forgetUploads());
    webui.receivers.extras = {
        take: (blob) => canvas.put(blob),
        show: () => {
            switch_to_extras();
            document.getElementById("extras_single_tab-button").click();
        },
    };
    document.getElementById("upscaling_res_switch_btn").addEventListener("click", () => webui.swapFields("extras_upscaling_resize_w", "extras_upscaling_resize_h"));
    webui.find("#extras_upscaler_1 input").addEventListener("change", webui.takeScaleOfUpscaler);
    webui.find("#extras_upscaler_1").addEventListener("focusout", () => setTimeout(webui.takeScaleOfUpscaler, 50));
};

// The setting "Take the scale from the upscaler's name": 4 for "4x-UltraSharp".
webui.takeScaleOfUpscaler = function() {
    const name = webui.field("extras_upscaler_1").value;
    const found = /(\d)x|x(\d)/i.exec(name);
    if (opts.set_scale_by_when_changing_upscaler && found && webui.lastUpscaler !== name) {
        webui.setField(webui.field("extras_upscaling_resize"), found[1] || found[2]);
    }
    webui.lastUpscaler = name;
};

onUiLoaded(() => {
    if (webui.find("#mode_extras")) {
        webui.startExtras();
    }
});
