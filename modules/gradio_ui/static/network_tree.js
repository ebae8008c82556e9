// The tree beside cards (setting "Directory view of cards": Tree): folders and, as leaves, what lies in them. A folder's files are asked for when it is opened.

webui.LEAVES = 200;  // files of one folder shown at once

webui.NetworkTree = class {
    // pane: a NetworkPane. place: the element that holds the tree.
    constructor(pane, place) {
        this.pane = pane;
        this.place = place;
        this.shown = "";
        place.addEventListener("toggle", (event) => event.target.open && this.fill(event.target), true);
    }

    // folders: name -> how many files lie in and below it. Built anew only where they changed, or ``anew``: what is open stays open.
    show(folders, anew = false) {
        const wanted = JSON.stringify(folders);
        if (wanted === this.shown && !anew) {
            return;
        }
        this.shown = wanted;
        const open = new Set(Array.from(this.place.querySelectorAll("details[open]"), (each) => each.dataset.folder));
        const root = webui.make("div", {class: "tree-root tree-list tree-list--tree", "data-folder": ""}, this.pane.dirButton("", "all"), ...this.branches(folders, "", open), this.files());
        this.place.replaceChildren(root);
        this.fill(root);
    }

    branches(folders, above, open) {
        const start = above ? above.length + 1 : 0;
        const children = Object.keys(folders).filter((name) => (!above || name.startsWith(`${above}/`)) && !name.slice(start).includes("/"));
        return children.map((name) => {
            const button = this.pane.dirButton(name, name.slice(start), folders[name]);
            return webui.make("details", {class: "tree-list-item tree-list-item--has-subitem", "data-folder": name, open: open.has(name)}, webui.make("summary", {class: "tree-list-content tree-list-content-dir"}, button), ...this.branches(folders, name, open), this.files());
        });
    }

    files() {
        return webui.make("div", {class: "tree-files tree-list tree-list--subgroup"});
    }

    // The files of a folder that is opened for the first time.
    async fill(branch) {
        const list = branch.querySelector(":scope > .tree-files");
        if (!list.dataset.asked) {
            list.dataset.asked = "yes";
            if (!await this.more(branch.dataset.folder, list)) {
                delete list.dataset.asked;
            }
        }
    }

    // The next files of a folder, and where there are still more of them a button that brings those. Whether the server answered.
    async more(folder, list) {
        const start = list.querySelectorAll(".tree-file").length;
        const query = new URLSearchParams({page: this.pane.id, folder, exactly: "true", start, count: webui.LEAVES});
        const answer = await webui.attempt(() => webui.fetchJson(`./sd_extra_networks/cards?${query}`));
        if (!answer) {
            return false;
        }
        list.querySelector(".tree-more")?.remove();
        list.append(...answer.cards.map(webui.NetworkTree.leaf));
        const left = answer.total - start - answer.cards.length;
        if (left > 0) {
            const brings = (event) => { event.target.disabled = true; this.more(folder, list).finally(() => { event.target.disabled = false; }); };
            list.append(webui.make("button", {type: "button", class: "tree-more", text: `${left} more …`, onclick: brings}));
        }
        return true;
    }

    // A card's HTML as a line of the tree: the same data, so that a click does the same, and the same buttons.
    static leaf(html) {
        const [card] = webui.cardsOf([html]);
        const line = webui.make("div", {class: "tree-file tree-list-content tree-list-content-file", tabindex: "0", role: "button", title: card.title}, webui.make("span", {class: "tree-list-item-label", text: card.dataset.name}), card.querySelector(".button-row"));
        Object.assign(line.dataset, card.dataset);
        return line;
    }

    // html: a card made anew.
    replaceLeaf(html, inside) {
        const fresh = webui.NetworkTree.leaf(html);
        this.place.querySelector(`.tree-file[data-inside="${CSS.escape(inside || fresh.dataset.inside)}"]`)?.replaceWith(fresh);
    }
};
