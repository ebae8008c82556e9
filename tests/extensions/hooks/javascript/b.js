hooksOrder.push("b");
onUiLoaded(() => hooksOrder.push(document.querySelector("#hooks_inside textarea") ? "loaded, all is there" : "loaded too early"));
