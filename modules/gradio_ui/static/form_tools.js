// Small buttons that only change fields of the page: swap the sides, random seed, last seed, clear the prompt. And a size that is pasted.

/* exported switchWidthHeight, setRandomSeed */

webui.swapFields = function(first, second) {
    const values = [webui.field(first).value, webui.field(second).value];
    webui.setField(webui.field(first), values[1]);
    webui.setField(webui.field(second), values[0]);
};

// name: "seed" or "subseed". The list of the result starts with the grid when there is one.
webui.reuseSeed = function(tab, name) {
    const info = webui.generationInfo(tab);
    const seeds = info[`all_${name}s`] || [];
    const index = Math.max(0, webui.galleryIndex(tab) - (info.index_of_first_image || 0));
    const seed = seeds[index] ?? seeds[0];
    if (seed === undefined) {
        webui.toast("There is no last seed yet: generate a picture first.");
        return;
    }
    webui.setField(webui.field(`${tab}_${name}`), String(seed));
};

// "640x384" pasted into width or height fills both.
webui.pasteSize = function(event) {
    const tab = event.target.closest?.("#txt2img_width, #txt2img_height, #img2img_width, #img2img_height")?.id.split("_")[0];
    const sides = /^\s*(\d+)[^\d.]+(\d+)\s*$/.exec(event.clipboardData?.getData("text/plain") || "");
    if (tab && sides) {
        event.preventDefault();
        webui.setField(webui.field(`${tab}_width`), sides[1]);
        webui.setField(webui.field(`${tab}_height`), sides[2]);
    }
};

document.addEventListener("paste", webui.pasteSize);

// Firefox lets letters into a number field, and says that it is empty while one stands there. Of a pasted text ("Seed: 123") the number is meant,
// and with a comma the fraction: Firefox reads it by the page's language, Chromium leaves it out unless the browser's own has it.
webui.onlyNumbers = function(event) {
    const {target, data} = event;
    if (!(target instanceof HTMLInputElement) || target.type !== "number" || !data || event.isComposing) {
        return;
    }
    const found = data.match(data.length === 1 ? /[\p{Nd}.,eE+-]/u : /[+-]?[\p{Nd}.,]*\p{Nd}(?:e[+-]?\d+)?/iu)?.[0];
    const number = Number(target.step) % 1 === 0 ? found : found?.replace(",", ".");
    if (number !== data) {
        event.preventDefault();
        number && document.execCommand("insertText", false, number);
    }
};

document.addEventListener("beforeinput", webui.onlyNumbers);

// What is typed into a list seeks in it: as it is entered its choice is marked, or the letters would be put behind that and nothing would fit.
webui.markChoice = function({target}) {
    if (target.matches?.("input[role=combobox]:not([readonly])")) {
        const mark = () => target.selectionStart === target.selectionEnd && target.select();
        setTimeout(mark);
        target.addEventListener("click", mark, {once: true});           // a press puts the cursor anew
        target.addEventListener("blur", () => target.removeEventListener("click", mark), {once: true});
    }
};

document.addEventListener("focusin", webui.markChoice);

// The server's words on a pasted text, {words}: what it names and is not here.
webui.tellPasted = function(said) {
    if (said) {
        webui.toast(JSON.parse(said).words, "warning");
    }
};

webui.clearPrompts = function(tab) {
    const fields = [webui.field(`${tab}_prompt`), webui.field(`${tab}_neg_prompt`)];
    if (fields.some((field) => field.value) && confirm("Delete prompt?")) {
        fields.forEach((field) => webui.setField(field, ""));
    }
};

// A1111's, for the buttons on extensions' own tabs.
function switchWidthHeight(tab) {
    webui.swapFields(`${tab}_width`, `${tab}_height`);
    return [];
}

function setRandomSeed(elemId) {
    webui.setField(webui.field(elemId), "-1");
    return [];
}

webui.formTools = function(tab) {
    return {
        [`${tab}_res_switch_btn`]: () => webui.swapFields(`${tab}_width`, `${tab}_height`),
        [`${tab}_random_seed`]: () => webui.setField(webui.field(`${tab}_seed`), "-1"),
        [`${tab}_random_subseed`]: () => webui.setField(webui.field(`${tab}_subseed`), "-1"),
        [`${tab}_reuse_seed`]: () => webui.reuseSeed(tab, "seed"),
        [`${tab}_reuse_subseed`]: () => webui.reuseSeed(tab, "subseed"),
        [`${tab}_clear_prompt`]: () => webui.clearPrompts(tab),
    };
};

onUiLoaded(() => {
    for (const tab of ["txt2img", "img2img"]) {
        for (const [id, act] of Object.entries(webui.formTools(tab))) {
            const button = document.getElementById(id);
            if (button) {
                button.addEventListener("click", act);
            }
        }
    }
});

// Gradio puts a number outside its range back in as the field is left, without a word. Capturing sees it first.
webui.tellClampedNumber = function(event) {
    const field = event.target;
    if (!(field instanceof HTMLInputElement) || field.type !== "number" || field.value === "") {
        return;
    }
    const value = Number(field.value);
    const low = field.min === "" ? -Infinity : Number(field.min);
    const high = field.max === "" ? Infinity : Number(field.max);
    if (value >= low && value <= high) {
        return;
    }
    const label = field.closest(".block")?.querySelector("label span, [data-testid=block-info]")?.textContent.trim() || "A number";
    const side = value < low ? `the smallest is ${low}` : `the largest is ${high}`;
    setTimeout(() => {
        if (Number(field.value) !== value) {            // fields that are not Gradio's, as those of the settings, keep what was typed
            webui.toast(`${label} cannot be ${value}: ${side}, and that is set now.`, "error");
        }
    }, 100);
};

document.addEventListener("blur", webui.tellClampedNumber, true);
