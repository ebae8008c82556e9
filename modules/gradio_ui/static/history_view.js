// One picture of the history with its text, and two of them over each other with a slider.

webui.history.open = async function(id) {
    const picture = await webui.attempt(() => webui.ask(`./internal/history/${id}`));
    if (!picture) {
        return;
    }
    const step = (by) => {
        const ids = webui.history.pictures.map((each) => each.id);
        const next = ids[ids.indexOf(id) + by];
        if (next !== undefined) {
            webui.history.open(next);
        }
    };
    const act = (words, action, kind = "") => webui.make("button", {type: "button", class: `queue-act ${kind}`, text: words, onclick: action});
    const send = (goal) => act(`Send to ${goal}`, () => {
        dialog.close();
        webui.history.send(id, goal);
    });
    const text = webui.make("div", {class: "history-text"},
        ...(picture.infotext ? picture.infotext.split("\n") : ["This picture carries no generation parameters."]).map((line) => webui.make("p", {text: line})));
    const body = webui.make("div", {class: "body history-view"},
        webui.make("div", {class: "history-stage"},
            webui.make("button", {type: "button", class: "history-step", text: "‹", "aria-label": "Newer picture", onclick: () => step(-1)}),
            webui.make("a", {href: picture.url, target: "_blank", rel: "noopener", title: "Open in full size"}, webui.make("img", {src: picture.url, alt: picture.prompt || picture.name})),
            webui.make("button", {type: "button", class: "history-step", text: "›", "aria-label": "Older picture", onclick: () => step(1)})),
        webui.make("div", {class: "history-facts"},
            webui.make("p", {class: "queue-note", text: `${picture.name} · ${picture.width}x${picture.height} · ${new Date(picture.changed * 1000).toLocaleString()}`}), text,
            webui.make("div", {class: "queue-acts"}, send("txt2img"), send("img2img"), send("inpaint"), send("extras"),
                act("Copy text", () => webui.copyText(picture.infotext)),
                act("Delete", async() => {
                    if (await webui.history.remove([id])) {
                        dialog.close();
                    }
                }, "stop"))));
    const dialog = webui.showDialog({id: "history_view", title: picture.folder, body, wide: true});
    dialog.addEventListener("keydown", (event) => {
        const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
        if (by) {
            event.preventDefault();
            step(by);
        }
    });
};

webui.history.compare = async function(ids) {
    const [left, right] = await Promise.all(ids.slice(0, 2).map((id) => webui.attempt(() => webui.ask(`./internal/history/${id}`))));
    if (!left || !right) {
        return;
    }
    const above = webui.make("img", {class: "above", src: left.url, alt: "The first picture"});
    const stage = webui.make("div", {class: "compare-stage"}, webui.make("img", {src: right.url, alt: "The second picture"}), above, webui.make("div", {class: "compare-line"}));
    const slider = webui.make("input", {type: "range", min: 0, max: 100, value: 50, step: 0.1, "aria-label": "How much of the first picture is shown"});
    const place = () => stage.style.setProperty("--at", `${slider.value}%`);
    const follow = (event) => {
        const box = stage.getBoundingClientRect();
        slider.value = ((event.clientX - box.left) / box.width) * 100;
        place();
    };
    slider.addEventListener("input", place);
    stage.addEventListener("pointerdown", (event) => {
        stage.setPointerCapture(event.pointerId);
        follow(event);
    });
    stage.addEventListener("pointermove", (event) => stage.hasPointerCapture(event.pointerId) && follow(event));
    const different = webui.history.differences(left.infotext, right.infotext);
    const table = webui.make("table", {class: "compare-table"}, ...different.map(([name, one, two]) =>
        webui.make("tr", {}, webui.make("th", {scope: "row", text: name}), webui.make("td", {text: one}), webui.make("td", {text: two}))));
    const body = webui.make("div", {class: "body"}, stage, slider,
        different.length ? table : webui.make("p", {class: "queue-note", text: "Both texts say the same."}));
    place();
    webui.showDialog({id: "history_compare", title: "Compare two pictures", body, wide: true});
};

// [name, in the first, in the second] of whatever two infotexts say differently.
webui.history.differences = function(first, second) {
    const read = (text) => {
        const lines = text.trim().split("\n");
        const last = lines.length > 1 || /^Steps: /.test(lines[0]) ? lines.pop() : "";
        const values = {Prompt: lines.join("\n")};
        for (const [, name, value] of last.matchAll(/\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)/g)) {
            values[name] = value;
        }
        return values;
    };
    const [one, two] = [read(first), read(second)];
    return Array.from(new Set([...Object.keys(one), ...Object.keys(two)])).filter((name) => one[name] !== two[name]).map((name) => [name, one[name] || "", two[name] || ""]);
};
