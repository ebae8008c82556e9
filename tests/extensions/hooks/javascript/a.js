const hooksOrder = ["a"];  // of the scope that all classic scripts share
const hooksMoved = [], hooksMove = extraNetworksMovePromptToTab;
extraNetworksMovePromptToTab = (...given) => {  // one of A1111's functions with something before it
    hooksMoved.push(given.slice(0, 2).join());
    return hooksMove(...given);
};

function hooksDraw() {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [11, 7];
    return canvas.toDataURL();
}
