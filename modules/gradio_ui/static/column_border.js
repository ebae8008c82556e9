// The border between a tab's fields and its results: drawn aside, or moved by the arrow keys, it makes one of them wider; a double click puts it back.

webui.leastColumn = 300;     // px

webui.columnShare = (row, x) => {
    const {left, width} = row.getBoundingClientRect();
    return Math.min(Math.max((x - left) / width, webui.leastColumn / width), 1 - webui.leastColumn / width);
};

// share: of the row's width for its first column; null: as it was.
webui.placeBorder = function(row, share) {
    if (share) {
        row.style.setProperty("--first-column", `${(100 * share).toFixed(2)}%`);
    } else {
        row.style.removeProperty("--first-column");
    }
    row.classList.toggle("border-moved", Boolean(share));
    row.querySelector(":scope > .resize-handle").setAttribute("aria-valuenow", Math.round(100 * (share || 0.5)));
    if (row.id) {
        webui.remember(`webui-columns-${row.id}`, share || "");
    }
};

webui.giveBorder = function(row) {
    const [first, second] = row.children;
    if (row.children.length !== 2 || row.querySelector(":scope > .resize-handle")) {
        return;
    }
    const border = webui.make("div", {class: "resize-handle", role: "separator", "aria-orientation": "vertical", "aria-valuenow": "50", tabindex: "0",
        title: "Draw aside to make the fields or the results wider; double click: as before", "aria-label": "Border between fields and results"});
    const rightToLeft = () => getComputedStyle(row).direction === "rtl";
    const edge = () => first.getBoundingClientRect()[rightToLeft() ? "left" : "right"];
    const move = (x) => webui.placeBorder(row, rightToLeft() ? 1 - webui.columnShare(row, x) : webui.columnShare(row, x));
    border.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        border.setPointerCapture(event.pointerId);
        const apart = event.clientX - edge();
        border.onpointermove = (moved) => move(moved.clientX - apart);
    });
    ["pointerup", "pointercancel"].forEach((kind) => border.addEventListener(kind, () => { border.onpointermove = null; }));
    border.addEventListener("dblclick", () => webui.placeBorder(row, null));
    border.addEventListener("keydown", (event) => {
        const step = {ArrowLeft: -20, ArrowRight: 20}[event.key];
        if (step) {
            event.preventDefault();
            event.stopPropagation();
            move(edge() + step);
        }
    });
    row.insertBefore(border, second);
    const kept = row.id ? Number(webui.recall(`webui-columns-${row.id}`)) : 0;
    if (kept > 0 && kept < 1) {
        webui.placeBorder(row, kept);
    }
};

onUiLoaded(() => document.querySelectorAll("#txt2img_work, #img2img_work, #extras_work, .resize-handle-row").forEach(webui.giveBorder));
