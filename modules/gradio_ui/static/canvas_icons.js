// The signs on the canvas's buttons: drawn here, so that they look alike everywhere.

webui.canvasIcons = {
    brush: "M4 20c3 0 4-1 4-3 0-1.4 1-2.4 2.4-2.4S13 15.6 13 17c0 3-4 4-9 3zM12 14 20 4",
    eraser: "M9 20h11M5 15 14 6l5 5-8 8H8z",
    fill: "M5 13 12 6l7 7-7 7zM12 6 9 3M20 16c1.4 2 1.4 4 0 4s-1.4-2 0-4",
    pick: "M4 20l1-4 8-8 3 3-8 8zM12 7l5 5M15 6c2-3 5 0 3 3",
    undo: "M9 6 4 11l5 5M4 11h10a5 5 0 0 1 0 10h-3",
    redo: "M15 6l5 5-5 5M20 11H10a5 5 0 0 0 0 10h3",
    clear: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
    fit: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
    full: "M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7",
    help: "M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 18v.2",
    remove: "M6 6l12 12M18 6 6 18",
};

webui.canvasIcon = function(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", webui.canvasIcons[name]);
    svg.append(path);
    return svg;
};
