// Which units are on, and of what type, is to be seen from outside: on the tabs' titles and on the closed accordion.
// A picture that is put into a unit switches it on.

(function () {
    "use strict";

    const is_on = (unit) => Boolean(unit.querySelector(".cnet-unit-enabled input")?.checked);

    function type_of(unit) {
        const filter = unit.querySelector(".controlnet_control_type_filter_group");
        const type = (filter?.querySelector("input[type=radio]:checked") || filter?.querySelector("input:not([type=radio])"))?.value;
        return type && type !== "All" ? type : "";
    }

    // A word behind what Gradio wrote; "": none.
    function append(place, name, text) {
        const found = place.querySelector(`.${name}`);
        if ((found?.textContent || "") !== text) {
            found?.remove();
            if (text) {
                place.append(Object.assign(document.createElement("span"), { className: name, textContent: text }));
            }
        }
    }

    function tell(accordion) {
        const titles = accordion.querySelectorAll("[id$='_controlnet_tabs'] > .tab-wrapper .tab-nav > button");
        accordion.querySelectorAll(".cnet-unit-tab").forEach((unit, number) => {
            const title = titles[number];
            if (title) {
                title.classList.toggle("cnet-unit-active", is_on(unit));
                append(title, "control-type-suffix", type_of(unit) && `[${type_of(unit)}]`);
            }
        });
        const label = accordion.querySelector(":scope > .label-wrap > span");
        const on = accordion.querySelectorAll(".cnet-unit-enabled input:checked").length;
        if (label) {
            append(label, "cnet-badge", on ? `${on} unit${on > 1 ? "s" : ""}` : "");
        }
    }

    const tell_all = () => document.querySelectorAll("#controlnet").forEach(tell);

    function tick(base, name) {
        const box = document.querySelector(`#${base}_controlnet_${name}_checkbox input`);
        if (box && !box.checked) {
            box.click();
        }
    }

    // img2img's units take their own picture only where that is ticked.
    window.controlnetSwitchOn = function (base) {
        tick(base, "enable");
        if (base.startsWith("img2img_")) {
            tick(base, "same_img2img");
        }
    };

    document.addEventListener("change", (event) => {
        if (event.target.closest?.("#controlnet")) {
            tell_all();
        }
    });
    document.addEventListener("click", (event) => {
        if (event.target.closest?.("[id$='_controlnet_tabs'] .tab-nav")) {
            setTimeout(tell_all);                   // Gradio writes the titles' classes anew
        }
    });
    onUiLoaded(tell_all);
    onAfterUiUpdate(tell_all);
})();
