// Gradio's page looks through all its components, once for every event and once for every value that a click sends. Ours has a
// thousand: here they are found by their number instead. It also builds its tree twice when it starts, and tells every component at each
// event how all calls are going, which our page never shows. A module: what Gradio exports as AppTree is changed before it makes one.

// Svelte watches plain objects and lists alone: an object with this prototype it takes as it is.
const unwatched = Object.create(Object.prototype);

const MANY = 500;  // choices of a list: fifty thousand styles, watched one by one, took half a minute

class UnwatchedList extends Array {
    static get [Symbol.species]() {
        return Array;
    }
}

function leaveLongListUnwatched(choices) {
    if (Array.isArray(choices) && choices.length > MANY) {
        Object.setPrototypeOf(choices, UnwatchedList.prototype);
    }
}

// What the page is made from is read once: watching each of its twenty thousand values costs more than reading them.
function leaveUnwatched(config) {
    for (const name of ["components", "dependencies"]) {
        if (Array.isArray(config?.[name])) {
            Object.setPrototypeOf(config[name], UnwatchedList.prototype);
        }
    }
    for (const {props} of config?.components || []) {
        leaveLongListUnwatched(props?.choices);
    }
    if (config?.layout) {
        Object.setPrototypeOf(config.layout, unwatched);
    }
}

export function findByNumber(AppTree) {
    const tree = AppTree.prototype;
    const original = {
        find_attached_events: tree.find_attached_events, get_state: tree.get_state, register_component: tree.register_component,
        unregister_component: tree.unregister_component, rerender: tree.rerender, reload: tree.reload, update_state: tree.update_state,
        create_node: tree.create_node, postprocess: tree.postprocess,
    };
    if (!Object.values(original).every((method) => typeof method === "function")) {
        return;  // another Gradio: it works as it is
    }
    const events = new WeakMap();   // by list of events: event names by component
    const getters = new WeakMap();  // by tree: what tells the value of a component that is in the page
    const nodes = new WeakMap();    // by root: the component's node
    const begun = new WeakSet();    // trees that were asked to load once more right after they were made
    const building = new WeakSet(); // trees whose nodes are being made
    leaveUnwatched(window.gradio_config);

    function eventsOf(list) {
        let found = events.get(list);
        if (!found) {
            found = new Map();
            for (const each of list) {
                const seen = new Set();
                for (const [id, name] of each.targets) {
                    if (name && !seen.has(id)) {
                        found.set(id, [...found.get(id) || [], name]);
                    }
                    seen.add(id);
                }
            }
            events.set(list, found);
        }
        return found;
    }

    function nodeOf(root, id) {
        let found = nodes.get(root);
        if (!found) {
            found = new Map();
            const waiting = [root];
            while (waiting.length) {
                const node = waiting.pop();
                found.set(node.id, node);
                waiting.push(...node.children || []);
            }
            nodes.set(root, found);
        }
        return found.get(id);
    }

    tree.find_attached_events = function(node, list) {
        node.props.shared_props.attached_events = [...eventsOf(list).get(node.id) || []];
        return node;
    };
    // Nodes are watched when all are made, not while they are put together; what a component is made from never: it copies it.
    tree.create_node = function(node, byNumber, isRoot, ...rest) {
        if (isRoot) {
            building.add(this);
        }
        const made = original.create_node.call(this, node, byNumber, isRoot, ...rest);
        Object.setPrototypeOf(made.props.props, unwatched);
        return building.has(this) ? Object.setPrototypeOf(made, unwatched) : made;
    };
    tree.postprocess = function(root) {
        building.delete(this);
        const waiting = [root];
        while (waiting.length) {
            const node = waiting.pop();
            Object.setPrototypeOf(node, Object.prototype);
            waiting.push(...node.children || []);
        }
        return original.postprocess.call(this, root);
    };
    tree.register_component = function(id, setter, getter) {
        if (!getters.has(this)) {
            getters.set(this, new Map());
        }
        getters.get(this).set(id, {setter, getter});
        return original.register_component.call(this, id, setter, getter);
    };
    tree.unregister_component = function(id, setter) {
        const mine = getters.get(this)?.get(id);
        if (mine && (!setter || mine.setter === setter)) {
            getters.get(this).delete(id);
        }
        return original.unregister_component.call(this, id, setter);
    };
    tree.reload = function(...rest) {
        if (!begun.has(this)) {
            begun.add(this);
            return undefined;
        }
        nodes.delete(this.root);
        return original.reload.apply(this, rest);
    };
    tree.update_state = function(id, state, ...rest) {
        const names = Object.keys(state);
        leaveLongListUnwatched(state.choices);
        return names.length === 1 && names[0] === "loading_status" ? Promise.resolve() : original.update_state.call(this, id, state, ...rest);
    };
    tree.rerender = function(...rest) {
        nodes.delete(this.root);
        return original.rerender.apply(this, rest);
    };
    tree.get_state = async function(id) {
        const getter = getters.get(this)?.get(id)?.getter;
        if (getter) {
            return await getter();
        }
        if (!this.root) {
            return original.get_state.call(this, id);
        }
        const node = nodeOf(this.root, id);  // none for what follows another event: it is asked for by that one's number
        return node ? {value: node.props.props.value} : null;
    };
}
