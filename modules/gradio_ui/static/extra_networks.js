// Pages of cards beside "Generation". Only the cards in sight are in the page: each page asks the server for slices of its list.

/* exported extraNetworksRefreshTab, extraNetworksMovePromptToTab */

webui.SLICE = 100;       // cards asked for at once
webui.ROWS_AROUND = 3;   // rows kept above and below those in sight

// The server's HTML of cards as elements; nothing in them is loaded before they are in the page.
webui.cardsOf = function(texts) {
    const template = document.createElement("template");
    template.innerHTML = texts.join("");
    return Array.from(template.content.children);
};

webui.NetworkPane = class {
    // tab: "txt2img" or "img2img". id: the page's part of elem_ids.
    constructor(tab, id) {
        this.tab = tab;
        this.id = id;
        this.start = `${tab}_${id}`;
        this.pane = document.getElementById(`${this.start}_pane`);
        this.cards = document.getElementById(`${this.start}_cards`);
        this.folders = this.pane.querySelector(".extra-network-folders");
        this.folder = "";
        this.tree = null;
        this.slices = new Map();
        this.asked = new Set();
        this.total = null;
        this.generation = 0;
        if (this.folders.classList.contains("extra-network-tree")) {
            this.tree = new webui.NetworkTree(this, this.folders);
        }
        this.listen();
    }

    part(name) {
        return document.getElementById(`${this.start}_${name}`);
    }

    listen() {
        let pause = null;
        this.part("extra_search").addEventListener("input", () => {
            clearTimeout(pause);
            pause = setTimeout(() => this.reload(), 200);
        });
        this.part("extra_sort_dir").addEventListener("click", (event) => {
            const button = event.currentTarget;
            button.dataset.sortdir = button.dataset.sortdir === "Ascending" ? "Descending" : "Ascending";
            this.reload();
        });
        for (const button of this.pane.querySelectorAll(".extra-network-control--sort")) {
            button.addEventListener("click", () => {
                this.pane.querySelectorAll(".extra-network-control--sort").forEach((each) => each.classList.toggle("extra-network-control--enabled", each === button));
                this.reload();
            });
        }
        this.part("extra_tree_view").addEventListener("click", () => this.pane.classList.toggle("extra-network-dirs-hidden"));
        this.part("extra_refresh").addEventListener("click", () => this.refresh());
        this.part("extra_download").addEventListener("click", () => webui.networks.download(this.id, () => this.refresh()));
        this.folders.addEventListener("click", (event) => this.folderClicked(event));
        this.cards.addEventListener("scroll", () => this.draw(), {passive: true});
        new ResizeObserver(() => this.draw()).observe(this.cards);
    }

    get query() {
        const sort = this.pane.querySelector(".extra-network-control--enabled");
        return new URLSearchParams({
            page: this.id,
            search: this.part("extra_search").value,
            folder: this.folder,
            exactly: String(Boolean(this.folder && opts.extra_networks_dir_button_function)),
            sort: sort ? sort.dataset.sortkey : "default",
            descending: String(this.part("extra_sort_dir").dataset.sortdir === "Descending"),
        });
    }

    open() {
        if (this.total === null) {
            this.reload();
        } else {
            this.draw();
        }
    }

    // Forgets all cards and asks again; a place in the list is kept where ``keepPlace`` says so.
    // ``anew``: files may have come or gone.
    async reload({keepPlace = false, anew = false} = {}) {
        this.generation += 1;
        const top = keepPlace ? this.cards.scrollTop : 0;
        const first = keepPlace && this.columns ? Math.floor(Math.max(0, Math.floor(top / this.rowHeight) * this.columns) / webui.SLICE) : 0;
        const answer = await this.ask(first);
        if (!answer) {
            return;
        }
        this.slices.clear();
        this.asked.clear();
        this.take(first, answer);
        this.showFolders(answer.folders, anew);
        this.cards.scrollTop = top;
        this.measure();
        this.draw(true);
    }

    async refresh() {
        await webui.postJson("./sd_extra_networks/refresh", {page: this.id});
        await this.reload({keepPlace: true, anew: true});
        extraNetworksApplyFilter[this.start]?.(true);
    }

    async ask(number) {
        const generation = this.generation;
        const query = this.query;
        query.set("start", number * webui.SLICE);
        query.set("count", webui.SLICE);
        try {
            const answer = await webui.fetchJson(`./sd_extra_networks/cards?${query}`);
            return generation === this.generation ? answer : null;
        } catch (error) {
            webui.toast(String(error.message || error), "error");
            return null;
        }
    }

    take(number, answer) {
        this.slices.set(number, webui.cardsOf(answer.cards));
        this.total = answer.total;
        this.places = answer.places;
        this.part("extra_count").textContent = answer.total === 1 ? "1 card" : `${answer.total} cards`;
    }

    async need(number) {
        if (this.slices.has(number) || this.asked.has(number)) {
            return;
        }
        this.asked.add(number);
        const answer = await this.ask(number);
        this.asked.delete(number);
        if (answer) {
            this.take(number, answer);
            this.draw(true);
        }
    }

    // Sizes come from the settings; the grid is measured with one card in it.
    measure() {
        const size = (pixels) => (Number(pixels) > 0 ? `${Number(pixels)}px` : null);
        this.cards.style.setProperty("--card-width", size(opts.extra_networks_card_width));
        this.cards.style.setProperty("--card-height", size(opts.extra_networks_card_height));
        this.cards.style.setProperty("--card-text", Number(opts.extra_networks_card_text_scale ?? 1));
        const style = getComputedStyle(this.cards);
        const probe = document.createElement("div");
        probe.className = "card";
        this.cards.append(probe);
        const box = probe.getBoundingClientRect();
        probe.remove();
        this.gap = parseFloat(style.getPropertyValue("--card-gap")) || 8;
        this.cardWidth = box.width;
        this.rowHeight = box.height + this.gap;
    }

    // Puts the cards in sight into the page, and takes out the others.
    draw(changed = false) {
        if (this.total === null || !this.cards.offsetParent) {
            return;
        }
        if (!this.cardWidth) {
            this.measure();
            changed = true;
        }
        this.columns = Math.max(1, Math.floor((this.cards.clientWidth + this.gap) / (this.cardWidth + this.gap)));
        const rows = Math.ceil(this.total / this.columns);
        const first = Math.max(0, Math.floor(this.cards.scrollTop / this.rowHeight) - webui.ROWS_AROUND);
        const last = Math.min(rows, Math.ceil((this.cards.scrollTop + this.cards.clientHeight) / this.rowHeight) + webui.ROWS_AROUND);
        const shown = `${first} ${last} ${this.columns}`;
        if (!changed && shown === this.shown) {
            return;
        }
        this.shown = shown;
        const from = first * this.columns;
        const to = Math.min(this.total, last * this.columns);
        this.fill(from, to, first, rows);
        for (let number = Math.floor(from / webui.SLICE); number * webui.SLICE < to; number += 1) {
            this.need(number);
        }
    }

    fill(from, to, firstRow, rows) {
        if (!this.sheet) {
            this.sheet = document.createElement("div");
            this.sheet.className = "extra-network-sheet";
            this.grid = document.createElement("div");
            this.grid.className = "extra-network-grid";
            this.sheet.append(this.grid);
            this.cards.append(this.sheet);
        }
        this.sheet.style.height = this.total === 0 ? "" : `${rows * this.rowHeight - this.gap}px`;
        this.grid.style.transform = `translateY(${firstRow * this.rowHeight}px)`;
        const wanted = [];
        for (let index = from; index < to; index += 1) {
            const slice = this.slices.get(Math.floor(index / webui.SLICE));
            wanted.push((slice && slice[index % webui.SLICE]) || this.blank());
        }
        if (this.total === 0) {
            wanted.push(this.nothing());
        }
        this.grid.replaceChildren(...wanted);
    }

    blank() {
        const card = document.createElement("div");
        card.className = "card loading";
        return card;
    }

    nothing() {
        const words = document.createElement("div");
        words.className = "nocards";
        const searching = this.part("extra_search").value || this.folder;
        words.textContent = searching ? "Nothing fits this search." : `Nothing here yet. Put files into ${(this.places || []).join(", or ")} and press 🔄.`;
        return words;
    }

    folderClicked(event) {
        const button = event.target.closest("button[data-folder]");
        if (!button) {
            return;
        }
        this.folder = button.dataset.folder === this.folder ? "" : button.dataset.folder;
        const branch = button.closest("summary")?.parentElement;
        if (branch) {
            branch.open = this.folder !== "";   // as in A1111: choosing it opens it, letting it go closes it; the arrow opens and closes alone
        }
        this.markFolder();
        this.reload();
    }

    markFolder() {
        for (const button of this.folders.querySelectorAll("button[data-folder]")) {
            button.classList.toggle("selected", button.dataset.folder === this.folder);
        }
    }

    showFolders(folders, anew) {
        const names = Object.keys(folders);
        if (this.tree) {
            this.tree.show(folders, anew);
        } else {
            this.folders.replaceChildren(...(names.length === 0 ? [] : this.dirs(names)));
            this.folders.hidden = names.length === 0;
        }
        this.markFolder();
    }

    dirButton(folder, words, count) {
        const button = document.createElement("button");
        button.type = "button";
        button.className = `lg secondary gradio-button custom-button${folder ? "" : " search-all"}`;
        button.dataset.folder = folder;
        button.textContent = count === undefined ? words : `${words} (${count})`;
        return button;
    }

    dirs(names) {
        return [this.dirButton("", "all"), ...names.map((name) => this.dirButton(name, name))];
    }

    // Puts a card made anew in the place of the old one.
    replaceCard(html, inside) {
        const [fresh] = webui.cardsOf([html]);
        this.tree?.replaceLeaf(html, inside);
        for (const slice of this.slices.values()) {
            const place = slice.findIndex((card) => card.dataset.inside === (inside || fresh.dataset.inside));
            if (place >= 0) {
                slice[place].replaceWith(fresh);
                slice[place] = fresh;
            }
        }
    }
};

webui.networks = {panes: {}};

webui.networks.pane = (tab, page) => webui.networks.panes[`${tab}_${page.replace(/ /g, "_")}`];

webui.networks.refresh = (tab, page) => webui.networks.pane(tab, page).refresh();

// The pages of both tabs show the same files.
webui.networks.onBoth = function(page, act) {
    for (const tab of ["txt2img", "img2img"]) {
        const pane = webui.networks.pane(tab, page);
        if (pane) {
            act(pane);
        }
    }
};

webui.fetchJson = async function(url, options = {}) {
    const response = await fetch(url, options);
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
        throw new Error(answer.errors || (typeof answer.detail === "string" ? answer.detail : "") || `The server answered ${response.status}.`);
    }
    return answer;
};

webui.postJson = (url, body) => webui.fetchJson(url, {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});

// Setting compact_prompt_box: prompts stand in the left column of "Generation", their buttons over the results;
// on a page of cards the prompts go along.
// Extensions put a function of their own in its place. id: the panel's of a page of cards, "" for "Generation".
function extraNetworksMovePromptToTab(tab, id) {
    const prompts = document.getElementById(`${tab}_prompt_container`);
    if (prompts && opts.compact_prompt_box) {
        const place = (id && document.getElementById(`${id}_prompts`)) || document.getElementById(`${tab}_settings`);
        place.prepend(prompts);
        document.getElementById(`${tab}_results`).prepend(document.getElementById(`${tab}_actions_column`));
        document.getElementById(`${tab}_toprow`).classList.add("moved-away");
    }
}

webui.networks.opened = function(container) {
    const panel = container.querySelector(":scope > .tab-nav > .selected").getAttribute("aria-controls");
    extraNetworksMovePromptToTab(container.id.replace(/_extra_tabs$/, ""), webui.networks.panes[panel] ? panel : "", true, true);
    if (webui.networks.panes[panel]) {
        webui.networks.panes[panel].open();
    }
};

onUiLoaded(() => {
    for (const tab of ["txt2img", "img2img"]) {
        const container = document.getElementById(`${tab}_extra_tabs`);
        if (!container) {
            continue;
        }
        for (const pane of container.querySelectorAll(".extra-network-pane")) {
            const id = pane.dataset.page;
            webui.networks.panes[`${tab}_${id}`] = new webui.NetworkPane(tab, id);
        }
        container.addEventListener("innertab", () => webui.networks.opened(container));
        webui.networks.opened(container);
    }
});

function extraNetworksRefreshTab(tab) {
    Object.values(webui.networks.panes).filter((pane) => pane.tab === tab && pane.total !== null).forEach((pane) => pane.refresh());
}
