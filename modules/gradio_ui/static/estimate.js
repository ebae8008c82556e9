// In the corner of Generate: what the fields as they are now will take, learned by the server from earlier jobs.

webui.estimatePause = 400;      // ms without a change before the server is asked
webui.estimateFields = {        // the API's name -> the field's id behind the tab's
    width: "width", height: "height", steps: "steps", cfg_scale: "cfg_scale", sampler_name: "sampling", scheduler: "scheduler",
    batch_size: "batch_size", n_iter: "batch_count", denoising_strength: "denoising_strength",
    hr_scale: "hr_scale", hr_resize_x: "hr_resize_x", hr_resize_y: "hr_resize_y", hr_second_pass_steps: "hires_steps",
};

webui.spokenSeconds = function(seconds) {
    if (seconds < 10) {
        return `${Math.max(seconds, 0.1).toFixed(1)} s`;
    }
    if (seconds < 90) {
        return `${Math.round(seconds)} s`;
    }
    if (seconds < 5400) {
        return `${Math.round(seconds / 60)} min`;
    }
    return seconds < 172800 ? `${(seconds / 3600).toFixed(1)} h` : `${Math.round(seconds / 86400)} days`;
};

webui.estimateValues = function(tab) {
    const values = {};
    for (const [name, id] of Object.entries(webui.estimateFields)) {
        const field = document.getElementById(`${tab}_${id}`) && webui.field(`${tab}_${id}`);
        if (field && field.value !== "") {
            values[name] = field.type === "number" || field.type === "range" ? Number(field.value) : field.value;
        }
    }
    const hires = webui.find(`#${tab}_hr-checkbox input`);
    if (hires) {
        values.enable_hr = hires.checked;
    }
    return values;
};

webui.showEstimate = async function(tab) {
    const place = document.getElementById(`${tab}_estimate`);
    const found = await webui.postJson("./internal/estimate", {tab, values: webui.estimateValues(tab)}).catch(() => ({seconds: null}));
    const gigabytes = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GB`;
    const memory = found.bytes ? ` · ${gigabytes(found.bytes)}` : "";
    const isTooMuch = Boolean(found.bytes && found.total && found.bytes > found.total);
    const limit = isTooMuch ? ` of ${gigabytes(found.total)}` : "";
    place.textContent = found.seconds === null ? "" : `≈ ${webui.spokenSeconds(found.seconds)}${memory}${limit}`;
    place.classList.toggle("too-much", isTooMuch);
};

webui.watchEstimate = function(tab) {
    const box = document.getElementById(`${tab}_generate_box`);
    const root = document.getElementById(`tab_${tab}`);
    if (!box || !root) {
        return;
    }
    const place = document.createElement("span");
    place.id = `${tab}_estimate`;
    place.className = "estimate";
    box.append(place);
    let pause = null;
    const later = () => {
        clearTimeout(pause);
        pause = setTimeout(() => webui.showEstimate(tab), webui.estimatePause);
    };
    for (const kind of ["input", "change", "click"]) {
        root.addEventListener(kind, (event) => !event.target.closest(".prompt") && later(), {capture: true, passive: true});
    }
    new MutationObserver(() => !box.classList.contains("running") && later()).observe(box, {attributes: true, attributeFilter: ["class"]});
    if (tab === "txt2img") {
        later();                    // the other one asks when it is first touched
    }
};

onUiLoaded(() => {
    webui.watchEstimate("txt2img");
    webui.watchEstimate("img2img");
});
