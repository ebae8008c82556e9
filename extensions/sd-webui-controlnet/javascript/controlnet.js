// The canvases of ControlNet's units: their content goes with a click on Generate, and to the preprocessor's preview.

(function () {
    "use strict";

    function canvas_ids() {
        return [...document.querySelectorAll("[id*='_controlnet_ControlNet'].webui-canvas")].map((each) => each.id);
    }

    // Editors of poses and depths wait for Gradio's button of this name once they have sent a picture, and press it before they send another.
    function offer_clear(canvas) {
        const place = canvas.root.querySelector(".canvas-place");
        const found = place.querySelector("button[aria-label='Clear']");
        if (canvas.picture && !found) {
            const clear = webui.element("button", "cnet-clear", { type: "button", hidden: "", "aria-label": "Clear" });
            clear.addEventListener("click", () => canvas.remove());
            place.append(clear);
        } else if (!canvas.picture) {
            found?.remove();
        }
    }

    // A preview of another picture is the unit's picture no more. A picture switches its unit on, but for one that comes back after a reload.
    function watch(canvas) {
        if (canvas && canvas.id.endsWith("_input_image") && !canvas.controlnetWatched) {
            canvas.controlnetWatched = true;
            let restored = false;
            canvas.restoring.finally(() => { restored = true; });
            canvas.onChange(offer_clear);
            canvas.onChange(() => {
                if (canvas.picture && restored) {
                    controlnetSwitchOn(canvas.id.replace(/_input_image$/, ""));
                }
                const used = document.querySelector(`#${canvas.id.replace(/_input_image$/, "_controlnet_preview_as_input_checkbox")} input`);
                if (used?.checked) {
                    used.click();
                }
            });
        }
    }

    // Extensions that send a picture take the file input of number 2 * unit: those of a closed tab are none meanwhile, which leaves the picture's and the mask's.
    function count_two({ currentTarget: root }) {
        const base = root.id.replace(/_input_tabs$/, "");
        for (const [index, name] of ["batch", "multi_inputs"].entries()) {
            const type = get_tab_index(root.id) === index + 1 ? "file" : "text";
            for (const input of document.querySelectorAll(`#${base}_${name}_tab input:is([type=file], .cnet-asleep)`)) {
                if (input.type !== type) {
                    input.classList.toggle("cnet-asleep", type === "text");
                    input.type = type;
                }
            }
        }
    }

    // For each canvas and each set of tabs; the units come into the page late.
    function wire() {
        canvas_ids().forEach((id) => watch(webui.canvases[id]));
        for (const mask of document.querySelectorAll("#controlnet [id$='_mask_image'] .canvas-place")) {
            delete mask.dataset.testid;             // extensions count the pictures: one for each unit
        }
        for (const id of canvas_ids()) {
            webui.fillers[`${id}_content`] = () => (webui.canvases[id] ? webui.canvases[id].content() : "");     // the page's own filler knows no units
        }
        for (const root of document.querySelectorAll("#controlnet .inner-tabs")) {
            if (!root.querySelector(":scope > .tab-nav").hasAttribute("role")) {
                webui.startInnerTabs(root);
            }
            if (root.id.endsWith("_input_tabs")) {
                webui.fillers[root.id.replace(/_tabs$/, "_mode")] = () => String(get_tab_index(root.id));
                root.addEventListener("innertab", count_two);
                count_two({ currentTarget: root });
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

    // Off: the mask goes, and the unit acts everywhere.
    window.controlnetRegion = function (base, on) {
        if (!on) {
            webui.canvases[`${base}_mask_image`]?.remove();
        }
        return [on];
    };

    // Strokes are to be seen on it, and they alone are the hint.
    function blank_colour() {
        const [red, green, blue] = [1, 3, 5].map((at) => parseInt((opts.img2img_inpaint_mask_brush_color || "#ffffff").slice(at, at + 2), 16));
        return red + green + blue > 382 ? "black" : "white";
    }

    // With a size: a blank picture of it to draw on. Without: the fields for the size come or go.
    window.controlnetNewCanvas = function (base, width, height) {
        document.getElementById(`${base}_controlnet_new_canvas`).classList.toggle("unseen");
        if (width) {
            const blank = webui.newCanvas(width, height);
            const paint = blank.getContext("2d");
            paint.fillStyle = blank_colour();
            paint.fillRect(0, 0, width, height);
            webui.canvases[`${base}_input_image`].putOrTell(new Promise((resolve) => blank.toBlob(resolve, "image/png")));
        }
        return [];
    };

    // --- poses as text -----------------------------------------------------------------------------------------------
    const EDITOR = "/openpose_editor_index";        // of the extension sd-webui-openpose-editor

    function pose_text(base) {
        return gradioApp().querySelector(`#${base}_pose_json textarea`);
    }

    // A data URL, as pose editors want it.
    function pose_url(text) {
        const bytes = new TextEncoder().encode(text);
        return text.startsWith("data:") ? text : `data:application/json;base64,${btoa(String.fromCharCode(...bytes))}`;
    }

    async function plain_pose(text) {
        return text.startsWith("data:") ? (await fetch(text)).text() : text;
    }

    function take_pose(base, text) {
        const field = pose_text(base);
        field.value = text;
        updateInput(field);
        setTimeout(() => gradioApp().querySelector(`#${base}_render_pose`).click(), 200);     // Gradio learns of the text first
    }

    window.controlnetPoseUpload = function (base) {
        const input = Object.assign(document.createElement("input"), { type: "file", accept: ".json,application/json" });
        input.addEventListener("change", async () => { take_pose(base, await input.files[0].text()); controlnetSwitchOn(base); });
        input.click();
        return [];
    };

    window.controlnetPoseDownload = async function (base) {
        const text = await plain_pose(pose_text(base).value.trim());
        if (text) {
            const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(new Blob([text], { type: "application/json" })), download: "pose.json" });
            link.click();
            setTimeout(() => URL.revokeObjectURL(link.href), 1000);
        }
        return [];
    };

    // The editor of another extension, in a frame; it tells when it is ready, takes the pose, and sends it back.
    window.controlnetPoseEdit = async function (base) {
        const found = await fetch(EDITOR).catch(() => null);
        if (!found?.ok) {
            webui.toast("Editing poses needs the extension sd-webui-openpose-editor. Without it, change the JSON and click Render.");
            return [];
        }
        const frame = Object.assign(document.createElement("iframe"), { src: EDITOR + (document.body.classList.contains("dark") ? "?theme=dark" : ""), className: "cnet-pose-editor" });
        const dialog = Object.assign(document.createElement("dialog"), { className: "cnet-pose-dialog" });
        const close = Object.assign(document.createElement("button"), { textContent: "Close", className: "lg secondary" });
        dialog.append(close, frame);
        document.body.append(dialog);
        const heard = (event) => {
            if (event.source !== frame.contentWindow) {
                return;
            }
            if (event.data.ready) {
                const image = gradioApp().querySelector(`#${base}_input_image canvas`);
                frame.contentWindow.postMessage({ modalId: base, imageURL: image?.toDataURL(), poseURL: pose_url(pose_text(base).value.trim()) }, location.origin);
            } else if (event.data.modalId === base && event.data.poseURL) {
                take_pose(base, event.data.poseURL);
                dialog.close();
            }
        };
        window.addEventListener("message", heard);
        dialog.addEventListener("close", () => { window.removeEventListener("message", heard); dialog.remove(); });
        close.addEventListener("click", () => dialog.close());
        dialog.showModal();
        return [];
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
