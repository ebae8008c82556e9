// Words for labels, choices and buttons, shown where the mouse rests on them; by their text, as A1111's `titles`. Extensions add to the list.

/* exported titles, updateTooltip */

var titles = {
    "Sampling method": "The way from noise to a picture. Each has a character of its own and needs its own number of steps",
    "Sampling steps": "How often the picture is worked over. More takes longer; too few leave it unfinished",
    "Schedule type": "How much noise is taken away at which step. Automatic is what suits the sampling method",
    "Euler a": "Ancestral: adds new noise at each step, so the picture goes on changing with the number of steps",
    "DDIM": "An early method; dependable for inpainting",
    "UniPC": "Gets along with few steps",
    "DPM adaptive": "Chooses its number of steps by itself; Sampling steps has no effect",
    "Batch count": "How many batches are made, one after the other. Takes longer, but no more memory",
    "Batch size": "How many pictures are made at the same time. Faster than one after the other, but takes more memory",
    "CFG Scale": "How closely the picture follows the prompt. Low leaves freedom, high becomes hard and oversaturated; at 1 the negative prompt has no effect",
    "Seed": "What the noise is made from. The same seed with the same values gives the same picture; -1 takes a new one each time",
    "Clip skip": "At which layer of the text encoder reading the prompt ends: 1 is the last one, 2 the one before it",
    "Denoising strength": "How much of the picture may change: 0 changes nothing, 1 makes one that has little to do with it. Below 1, fewer steps are done than are set",
    "Hires. fix": "Makes a small picture, enlarges it and works it over at the large size: more detail without doubled figures",
    "Hires steps": "Steps of the second pass; 0 for as many as the first one has",
    "Upscale by": "How many times as wide and high. Without effect where a width or height to resize to is set",
    "Resize width to": "Width of the large picture; 0 lets it follow from the height",
    "Resize height to": "Height of the large picture; 0 lets it follow from the width",
    "Refiner": "Another checkpoint draws the last part of the steps",
    "Switch at": "The share of the steps after which the other checkpoint goes on",
    "Tiling": "Makes a picture whose edges fit together, as a pattern for walls or textures",
    "Variation seed": "The seed of another picture, some of which is mixed in",
    "Variation strength": "How much of the other seed's noise is mixed in: 0 is none, 1 is that picture itself",
    "Resize seed from width": "Uses the noise of a picture of this width, for a similar picture at another size",
    "Resize seed from height": "Uses the noise of a picture of this height, for a similar picture at another size",
    "Just resize": "Stretches the picture to the new size; it is distorted where the sides are not in the same proportion",
    "Crop and resize": "Fills the whole size with the picture and cuts off what sticks out",
    "Resize and fill": "Fits the whole picture into the size and fills what stays empty with its colours",
    "Just resize (latent upscale)": "Enlarges in the model's own space, without going through pixels; needs a high denoising strength",
    "Mask blur": "How soft the edge of the mask is, in pixels",
    "Masked content": "What stands below the mask before drawing begins",
    "fill": "The colours around it, blurred",
    "original": "What was there before",
    "latent noise": "Noise; needs a high denoising strength",
    "latent nothing": "An even, empty ground; needs a high denoising strength",
    "Whole picture": "The picture is drawn at the size that is set, and its masked part put in",
    "Only masked": "The part around the mask is enlarged to the size that is set, drawn, and put back: more detail in small places",
    "Only masked padding, pixels": "How much around the mask is seen while only the masked part is drawn",
    "Tile overlap": "How many pixels neighbouring tiles have in common, so that no seam shows",
    "Loops": "How often the result becomes the next picture to begin with",
    "Final denoising strength": "The denoising strength of the last loop",
    "Denoising strength curve": "How the strength gets there: Aggressive changes most at the beginning, Linear evenly, Lazy most at the end",
    "X values": "Values between commas",
    "Y values": "Values between commas",
    "Z values": "Values between commas",
    "Discard weights with matching name": "A regular expression: weights whose name fits are left out of the new checkpoint; ^model_ema leaves out the averaged copy",
    "Approx NN": "A small network: fast, a quarter of the width and height, somewhat coarse",
    "Approx cheap": "Nearly free: an eighth of the width and height, very coarse",
};

function updateTooltip(element) {
    if (element.title) {
        return;
    }
    const names = [element.textContent?.trim(), element.value, element.getAttribute("aria-label"), ...element.classList];
    const words = names.flatMap((each) => [each, ...webui.untranslated(each)]).map((each) => titles[each]).find(Boolean);
    if (words) {
        element.title = getTranslation(words) || words;
    }
}

webui.HINTED = "span, button, select, p, li[role=option]";

// Not what holds half the page, and not the sheets of cards.
webui.hint = function(element) {
    for (const each of [element, ...element.querySelectorAll(webui.HINTED)]) {
        each.matches(webui.HINTED) && each.childElementCount < 3 && !each.closest(".card") && updateTooltip(each);
    }
};

// What is new in the page is looked at once the page has come to rest.
(function hintWhatIsNew() {
    const fresh = new Set();
    let waiting = 0;
    const hintFresh = () => {
        for (const node of fresh) {
            node.isConnected && webui.hint(node);
        }
        fresh.clear();
    };
    onUiUpdate((records) => {
        for (const record of records) {
            for (const node of record.addedNodes) {
                node.nodeType === Node.ELEMENT_NODE && fresh.add(node);
            }
        }
        clearTimeout(waiting);
        waiting = setTimeout(hintFresh, 300);
    });
    onUiLoaded(() => fresh.add(document.body));
})();
