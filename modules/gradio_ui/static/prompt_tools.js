// Prompts from elsewhere: a picture or a text file dropped on a prompt, and the list of recent prompts.

// The text of a picture file into the prompt, and from there into all fields.
webui.readDroppedPicture = async function(tab, blob) {
    const image = await new Promise((resolve, reject) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result);
        reader.onerror = () => reject(reader.error);
        reader.readAsDataURL(blob);
    });
    const {infotext} = await webui.ask("./internal/infotext", {method: "POST", body: {image}});
    if (!infotext) {
        webui.toast("This picture carries no generation parameters.");
        return;
    }
    webui.pasteText(tab, infotext);
};

webui.LONGEST_DROP = 40000;  // bytes: a prompt and its parameters, no book

// What is dropped on a prompt: a picture, or the text file that "save_txt" writes beside one. A text without parameters is a prompt alone.
webui.readDropped = async function(tab, file) {
    if (file.type.startsWith("image/")) {
        await webui.readDroppedPicture(tab, file);
        return;
    }
    const text = file.size <= webui.LONGEST_DROP ? (await file.text()).replace(/^\uFEFF/, "").trim() : "";
    if (!text || text.includes("\0") || text.includes("\uFFFD")) {
        webui.toast(`${file.name || "What was dropped"} is neither a picture nor a text with a prompt.`);
    } else if (/^Steps: /m.test(text)) {
        webui.pasteText(tab, text);
    } else {
        webui.setField(webui.field(`${tab}_prompt`), text);
    }
};

webui.pasteText = function(tab, infotext) {
    webui.setField(webui.field(`${tab}_prompt`), infotext);
    // Gradio learns of the new value a moment after the event
    setTimeout(() => document.getElementById(tab === "txt2img" ? "paste" : `${tab}_paste`).click(), 50);
};

webui.watchDrops = function(tab) {
    for (const name of ["prompt", "neg_prompt"]) {
        const place = document.getElementById(`${tab}_${name}`);
        place.addEventListener("dragover", (event) => {
            if (Array.from(event.dataTransfer.types).some((type) => type === "Files" || type === "text/uri-list")) {
                event.preventDefault();
                place.classList.add("dropping");
            }
        });
        place.addEventListener("dragleave", () => place.classList.remove("dropping"));
        place.addEventListener("drop", (event) => {
            place.classList.remove("dropping");
            const files = Array.from(event.dataTransfer.files);
            const file = files.find((each) => each.type.startsWith("image/")) || files[0];
            const address = event.dataTransfer.getData("text/uri-list").split("\n")[0].trim();
            const ours = address && new URL(address, location.href).origin === location.origin;
            if (!file && !ours) {
                return;
            }
            event.preventDefault();
            event.stopPropagation();
            webui.attempt(async() => webui.readDropped(tab, file || await webui.fetchPicture(address)));
        });
    }
};

webui.openPromptHistory = async function(tab) {
    const found = await webui.attempt(() => webui.ask("./internal/prompts"));
    if (!found) {
        return;
    }
    const list = webui.make("ul", {class: "prompt-list"});
    const draw = (words) => {
        const wanted = words.toLowerCase();
        const shown = found.prompts.filter((each) => `${each.prompt}\n${each.negative_prompt}`.toLowerCase().includes(wanted));
        list.replaceChildren(...shown.map((each) => webui.make("li", {}, webui.make("button", {type: "button", onclick: () => {
            webui.setField(webui.field(`${tab}_prompt`), each.prompt);
            webui.setField(webui.field(`${tab}_neg_prompt`), each.negative_prompt);
            dialog.close();
            webui.field(`${tab}_prompt`).focus();
        }}, webui.make("span", {text: each.prompt || "(no prompt)"}), each.negative_prompt ? webui.make("small", {text: `Negative: ${each.negative_prompt}`}) : null))),
        ...(shown.length ? [] : [webui.make("li", {class: "queue-note", text: found.prompts.length ? "Nothing fits." : "No prompts yet: those you generate with are remembered here."})]));
    };
    const search = webui.make("input", {type: "search", class: "prompt-search", placeholder: "Search", "aria-label": "Search prompts", oninput: () => draw(search.value)});
    draw("");
    const dialog = webui.showDialog({id: "prompt_history", title: "Recent prompts", body: webui.make("div", {class: "body"}, search, list)});
};

onUiLoaded(() => {
    for (const tab of ["txt2img", "img2img"].filter((name) => document.getElementById(`${name}_prompt`))) {
        webui.watchDrops(tab);
        document.getElementById(`${tab}_prompt_history`)?.addEventListener("click", () => webui.openPromptHistory(tab));
    }
});
