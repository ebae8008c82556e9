// The History tab: search, a grid that fills as it is scrolled, and a choice of pictures.

webui.history = {total: 0, pictures: [], chosen: new Set(), loading: false, asked: 0, sent: "", fields: {}};

webui.historyPage = 60;  // pictures asked for at once

webui.history.query = function(offset) {
    const {words, model, folder, since, until} = webui.history.fields;
    const query = new URLSearchParams({q: words.value, model: model.value, folder: folder.value, offset, count: webui.historyPage});
    if (since.value) {
        query.set("since", new Date(`${since.value}T00:00`).getTime() / 1000);
    }
    if (until.value) {
        query.set("until", new Date(`${until.value}T00:00`).getTime() / 1000 + 86400);
    }
    return query;
};

// Reads the first page (again), or the next one. Of several questions at once only the last one's answer counts.
webui.history.load = async function(more = false) {
    const history = webui.history;
    if (more && (history.loading || history.pictures.length >= history.total)) {
        return;
    }
    const turn = ++history.asked;
    history.loading = true;
    const found = await webui.attempt(() => webui.ask(`./internal/history?${history.query(more ? history.pictures.length : 0)}`));
    if (turn !== history.asked) {
        return;
    }
    history.loading = false;
    if (!found) {
        return;
    }
    history.total = found.total;
    history.pictures = more ? history.pictures.concat(found.pictures) : found.pictures;
    history.draw(more ? found.pictures : null, found);
    if (found.scanning) {
        setTimeout(() => turn === history.asked && !more && history.load(), 1000);
    }
};

webui.history.draw = function(added, found) {
    const history = webui.history;
    const grid = document.getElementById("history_grid");
    const cards = (added || history.pictures).map(history.card);
    if (added) {
        grid.append(...cards);
    } else {
        grid.replaceChildren(...cards);
        history.chosen = new Set(Array.from(history.chosen).filter((id) => history.pictures.some((each) => each.id === id)));
    }
    history.fillChoice(history.fields.model, found.models, "Any model");
    history.fillChoice(history.fields.folder, found.folders, "Any folder");
    const searched = history.fields.words.value || history.fields.model.value || history.fields.folder.value || history.fields.since.value || history.fields.until.value;
    const count = history.total === 1 ? "1 picture" : `${history.total.toLocaleString()} pictures`;
    const none = searched ? "Nothing fits this search." : "No pictures yet: what you generate appears here.";
    document.getElementById("history_count").textContent = (history.total ? count : none) + (found.scanning ? " · looking through the folders…" : "");
    history.drawChoice();
};

webui.history.fillChoice = function(field, values, any) {
    const wanted = JSON.stringify(values);
    if (field.dataset.values !== wanted) {
        const chosen = field.value;
        field.dataset.values = wanted;
        field.replaceChildren(webui.make("option", {value: "", text: any}), ...values.map((value) => webui.make("option", {value, text: value})));
        field.value = values.includes(chosen) ? chosen : "";
    }
};

webui.history.card = function(picture) {
    const title = `${picture.prompt || picture.name}\n${picture.width}x${picture.height} · ${new Date(picture.changed * 1000).toLocaleString()}`;
    const box = webui.make("input", {type: "checkbox", "aria-label": `Choose ${picture.name}`, onchange: () => webui.history.choose(picture.id, box.checked)});
    box.checked = webui.history.chosen.has(picture.id);
    return webui.make("div", {class: "history-card", "data-id": picture.id},
        webui.make("button", {type: "button", class: "history-open", title, "aria-label": picture.prompt || picture.name, onclick: () => webui.history.open(picture.id)},
            webui.make("img", {src: `./internal/history/${picture.id}/thumb`, loading: "lazy", decoding: "async", alt: ""})),
        webui.make("label", {class: "history-choose"}, box));
};

webui.history.choose = function(id, on) {
    if (on) {
        webui.history.chosen.add(id);
    } else {
        webui.history.chosen.delete(id);
    }
    webui.history.drawChoice();
};

webui.history.drawChoice = function() {
    const history = webui.history;
    const count = history.chosen.size;
    const bar = document.getElementById("history_choice");
    bar.hidden = count === 0;
    bar.querySelector("span").textContent = `${count} chosen`;
    bar.querySelector(".compare").disabled = count !== 2;
    for (const card of document.querySelectorAll("#history_grid .history-card")) {
        const on = history.chosen.has(Number(card.dataset.id));
        card.classList.toggle("chosen", on);
        card.querySelector("input").checked = on;
    }
};

webui.history.remove = async function(ids) {
    const words = ids.length === 1 ? "Delete this picture?" : `Delete ${ids.length} pictures?`;
    if (!confirm(`${words} It goes to the folder "trash" beside your outputs.`.replace("It goes", ids.length === 1 ? "It goes" : "They go"))) {
        return false;
    }
    const done = await webui.attempt(() => webui.ask("./internal/history/delete", {method: "POST", body: {ids}}));
    if (done) {
        webui.toast(`Moved to ${done.trash}`);
        ids.forEach((id) => webui.history.chosen.delete(id));
        await webui.history.load();
    }
    return Boolean(done);
};

// The picture and its parameters to another tab, through buttons that the server has wired.
webui.history.send = async function(id, goal) {
    const picture = await webui.attempt(() => webui.ask(`./internal/history/${id}`));
    if (picture) {
        webui.history.sent = picture.url;
        webui.setField(webui.field("history_infotext"), picture.infotext);
        document.getElementById(`history_send_to_${goal}`).click();
    }
};

webui.history.build = function() {
    const history = webui.history;
    let waiting = null;
    const soon = () => {
        clearTimeout(waiting);
        waiting = setTimeout(() => history.load(), 250);
    };
    const field = (name, tag, properties) => {
        history.fields[name] = webui.make(tag, {...properties, id: `history_${name}`, oninput: soon});
        return history.fields[name];
    };
    const dates = (name, label) => webui.make("label", {class: "history-date"}, webui.make("span", {text: label}), field(name, "input", {type: "date"}));
    const act = (words, kind, action) => webui.make("button", {type: "button", class: `queue-act ${kind}`, text: words, onclick: action});
    const end = webui.make("div", {id: "history_end"});
    webui.find("#history_place").replaceChildren(
        webui.make("div", {id: "history_search", role: "search"},
            field("words", "input", {type: "search", placeholder: "Search prompt, seed, sampler, file name …", "aria-label": "Search pictures"}),
            field("model", "select", {"aria-label": "Model"}), field("folder", "select", {"aria-label": "Folder"}),
            dates("since", "From"), dates("until", "To")),
        webui.make("div", {id: "history_bar"}, webui.make("span", {id: "history_count", role: "status"}),
            webui.make("div", {id: "history_choice", hidden: true}, webui.make("span"),
                act("Compare", "compare", () => history.compare(Array.from(history.chosen))),
                act("Delete", "stop", () => history.remove(Array.from(history.chosen))),
                act("Clear choice", "", () => { history.chosen.clear(); history.drawChoice(); }))),
        webui.make("div", {id: "history_grid"}), end);
    new IntersectionObserver((seen) => seen.some((each) => each.isIntersecting) && history.load(true), {rootMargin: "600px"}).observe(end);
};

onUiLoaded(() => {
    webui.history.build();
    onUiTabChange(() => {
        if (get_uiCurrentTabContent()?.id === "tab_history") {
            webui.history.load();
        }
    });
});
