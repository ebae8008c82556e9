// What a checkpoint asks to be drawn with is offered in a bar when it is chosen; what was there before comes back with the next one.

(function checkpointWishes() {
    const FIELDS = {sampler_name: "txt2img_sampling", scheduler: "txt2img_scheduler", steps: "txt2img_steps", cfg_scale: "txt2img_cfg_scale",
        width: "txt2img_width", height: "txt2img_height"};
    let chosen;     // undefined until the page knows the settings: a page that opens chooses nothing
    let wanted = {};
    const before = {};      // name -> {was, became}: what the bar put in the place of what

    const shown = (name) => (name === "clip_skip" ? opts.CLIP_stop_at_last_layers : webui.field(FIELDS[name])?.value);
    const same = (one, other) => String(one) === String(other) || (one !== "" && other !== "" && Number(one) === Number(other));
    const bar = () => document.getElementById("checkpoint_wishes_bar");

    function differing(values) {
        const named = new Set(values.map((each) => each.name));
        const back = Object.entries(before).filter(([name, each]) => !named.has(name) && same(shown(name), each.became))
            .map(([name, each]) => ({name, label: each.label, value: each.was, back: true}));
        return [...values, ...back].filter((each) => shown(each.name) !== undefined && !same(shown(each.name), each.value));
    }

    function words(values) {
        const find = (name) => values.find((each) => each.name === name);
        const size = find("width") && find("height") ? [`Size: ${find("width").value}×${find("height").value}`] : [];
        const others = values.filter((each) => size.length === 0 || !["width", "height"].includes(each.name));
        return [...others.map((each) => `${each.label}: ${each.value}`), ...size].join(", ");
    }

    function apply(values) {
        for (const {name, label, value} of values) {
            const was = before[name] ? before[name].was : shown(name);
            if (same(was, value)) {
                delete before[name];
            } else {
                before[name] = {label, was, became: value};
            }
        }
        wanted = Object.fromEntries(values.map((each) => [each.name, typeof each.value === "string" && Number.isFinite(Number(each.value)) ? Number(each.value) : each.value]));
        webui.find("#apply_checkpoint_wishes").click();
    }

    webui.takeWishes = () => JSON.stringify(wanted);

    function offer(name, values) {
        bar()?.remove();
        if (values.length === 0) {
            return;
        }
        const asks = values.every((each) => each.back) ? `${name} asks for nothing; before it was` : `${name} asks for`;
        if (opts.checkpoint_wishes === "Apply") {
            apply(values);
            webui.toast(`${asks} ${words(values)}.`);
            return;
        }
        const {make} = webui;
        const close = () => bar()?.remove();
        webui.find("#quicksettings").after(make("div", {id: "checkpoint_wishes_bar", role: "status"},
            make("p", {}, make("strong", {text: `${asks} `}), words(values)),
            make("div", {},
                make("button", {type: "button", class: "dialog-button primary", text: "Apply", onclick: () => {
                    apply(values);
                    close();
                }}),
                make("button", {type: "button", class: "dialog-button secondary", text: "Dismiss", onclick: close}))));
    }

    async function look(title) {
        if (opts.checkpoint_wishes === "Ignore") {
            bar()?.remove();
            return;
        }
        const found = await webui.ask("./internal/checkpoint-wishes").catch(() => null);
        if (found && title === opts.sd_model_checkpoint) {
            offer(found.name, differing(found.values));
        }
    }

    onOptionsAvailable(() => chosen = opts.sd_model_checkpoint);
    onOptionsChanged(() => {
        if (chosen !== undefined && opts.sd_model_checkpoint !== chosen) {
            chosen = opts.sd_model_checkpoint;
            look(chosen);
        }
    });
}());
