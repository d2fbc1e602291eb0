// What a circuit gains from a script: a card under the pointer or in focus lights all that it comes from and leads to, a
// click pins it and tells what it is; thinner lines can be hidden, neurons shown instead of groups; a whole circuit can
// be zoomed, and the neurons of one group picked out of it. Without it every card is a link, and the rest are tables.
"use strict";
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const LEVELS = [50, 80, 95];
  const room = () => Math.max(0.85 * innerHeight, 992);  // the height of a whole circuit's box, as in site.css
  const LEGIBLE = 0.7;  // the scale under which the words on cards are too small to read
  const element = (name, look, ...inside) => {
    const made = Object.assign(document.createElement(name), { className: look });
    made.append(...inside);
    return made;
  };
  const button = (text, act) => {
    const made = Object.assign(element("button", "tool", text), { type: "button" });
    made.addEventListener("click", act);
    return made;
  };
  const linked = (href, text) => Object.assign(element("a", "", text), { href });
  const percent = (share) => (share < 0.0005 ? "<0.1%" : `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`);
  const named = new Map();  // a card's own label, to which "both" adds the neurons in it
  const label = (card) => named.get(card) || card.getAttribute("aria-label");
  const name = (card) => label(card).replace(/ · [^·]*$/, "");
  const place = (card) => Number(/\bc(\d+)\b/.exec(card.getAttribute("class"))[1]);

  // The cards of a drawing by their places, and its lines with the cards that they join.
  const read = (svg) => {
    const cards = [...svg.querySelectorAll(":scope > a[data-key]")].sort((a, b) => place(a) - place(b));
    const lines = [...svg.querySelectorAll("path.e")].map((path) => {
      const [, upper, lower, level] = /u(\d+) l(\d+) k(\d+)/.exec(path.getAttribute("class"));
      return { path, upper: cards[upper], lower: cards[lower], level: Number(level), main: path.classList.contains("main"),
        width: Number(path.getAttribute("stroke-width")) };
    }).sort((a, b) => b.width - a.width);
    return { svg, cards, lines, keep: 95 };
  };

  // Zoom is the drawing's width in its box, and panning the box's own scrolling: both work as anywhere else.
  const zoomable = (box, svg, tools) => {
    const full = svg.viewBox.baseVal.width;
    let scale = 0;
    const now = () => scale || svg.getBoundingClientRect().width / full;
    const set = (next, x = box.clientWidth / 2, y = box.clientHeight / 2) => {
      const before = now();
      scale = Math.min(4, Math.max(0.1, next));
      const [left, top] = [(box.scrollLeft + x) / before, (box.scrollTop + y) / before];
      svg.style.inlineSize = `${full * scale}px`;
      svg.style.maxInlineSize = "none";
      svg.classList.toggle("far", scale < LEGIBLE);
      svg.style.setProperty("--zoom", scale);
      box.dispatchEvent(new Event("scroll"));  // where the layers' names are kept in sight
      box.scrollLeft = left * scale - x;
      box.scrollTop = top * scale - y;
    };
    const tall = svg.viewBox.baseVal.height;
    const whole = () => { set(Math.min((box.clientWidth - 8) / full, (room() - 12) / tall)); box.scrollTo(0, 0); };
    const actual = () => { set(1); box.scrollLeft = (full - box.clientWidth) / 2; };
    tools.append(element("div", "zoom", button("Zoom in", () => set(now() * 1.25)), button("Zoom out", () => set(now() / 1.25)),
      button("Whole", whole), button("Actual size", actual)));
    if (box.clientWidth && (box.clientWidth < full || room() < tall)) {
      // As whole as its letters can be read; what is over is scrolled to.
      set(Math.min(1, Math.max(0.85, (box.clientWidth - 8) / full)));
      box.scrollLeft = (full * scale - box.clientWidth) / 2;
      box.scrollTop = 0;
    }
    box.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const at = box.getBoundingClientRect();
      set(now() * Math.exp(-event.deltaY / 300), event.clientX - at.left, event.clientY - at.top);
    }, { passive: false });
    let from = null;
    let moved = false;
    box.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button) return;
      from = { x: event.clientX + box.scrollLeft, y: event.clientY + box.scrollTop };
      moved = false;
    });
    addEventListener("pointermove", (event) => {
      if (!from) return;
      const [x, y] = [from.x - event.clientX, from.y - event.clientY];
      moved ||= Math.abs(x - box.scrollLeft) + Math.abs(y - box.scrollTop) > 5;
      if (moved) box.scrollTo(x, y);
    });
    addEventListener("pointerup", () => { from = null; });
    box.addEventListener("click", (event) => { if (moved) { event.preventDefault(); event.stopPropagation(); } moved = false; }, true);
    box.addEventListener("dragstart", (event) => event.preventDefault());
    return { set, now };
  };

  // From card to card: left and right in a row, up and down along the widest line.
  const walkable = ({ svg, cards, lines }) => {
    const frame = new Map(cards.map((card) => [card, card.querySelector(".card")]));
    const [x, y] = ["x", "y"].map((side) => (card) => frame.get(card)[side].baseVal.value);
    const beside = (card, by) => {
      const row = cards.filter((other) => Math.abs(y(other) - y(card)) < 2).sort((a, b) => x(a) - x(b));
      return row[row.indexOf(card) + by];
    };
    const along = (card, from, to) => lines.find((one) => one[from] === card)?.[to];
    const rove = (card) => cards.forEach((other) => other.setAttribute("tabindex", other === card ? "0" : "-1"));
    rove(cards[0]);
    svg.addEventListener("focusin", (event) => { const card = event.target.closest("a"); if (frame.has(card)) rove(card); });
    svg.addEventListener("keydown", (event) => {
      const card = document.activeElement;
      if (!frame.has(card)) return;
      const next = { ArrowLeft: () => beside(card, -1), ArrowRight: () => beside(card, 1),
        ArrowUp: () => along(card, "lower", "upper"), ArrowDown: () => along(card, "upper", "lower") }[event.key];
      if (!next) return;
      event.preventDefault();
      const found = next();
      if (!found) return;
      found.focus();
      found.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
  };

  // All that a card comes from and leads to, along the lines that are shown.
  const kin = ({ lines, keep }, card) => {
    const shown = lines.filter((line) => line.main || line.level <= keep);
    const found = { cards: new Set([card]), lines: new Set() };
    for (const [from, to] of [["upper", "lower"], ["lower", "upper"]]) {
      const seen = new Set([card]);
      for (const one of seen) {
        shown.filter((line) => line[from] === one).forEach((line) => { found.lines.add(line.path); seen.add(line[to]); });
      }
      seen.forEach((one) => found.cards.add(one));
    }
    return found;
  };
  const light = (drawing, card) => {
    const found = card && kin(drawing, card);
    drawing.lit = card;
    drawing.svg.classList.toggle("lit", Boolean(card));
    drawing.cards.forEach((one) => one.classList.toggle("on", Boolean(found) && found.cards.has(one)));
    drawing.lines.forEach(({ path }) => path.classList.toggle("on", Boolean(found) && found.lines.has(path)));
  };

  // What is told of a card that is pinned.
  const tiles = (data, at, patches, called) => {
    const mosaic = element("div", "mosaic");
    mosaic.setAttribute("role", "group");
    mosaic.setAttribute("aria-label", `Patches of ${called}`);
    mosaic.style.cssText = `--c:${Math.max(6, data.tiles[at].length)};--w:76`;
    const texts = globalThis.captions?.[data.slug]?.texts;
    data.tiles[at].forEach(([patch, image, window]) => {
      const [left, top, side] = data.windows[window];
      const view = document.createElementNS(NS, "svg");
      view.setAttribute("viewBox", `${left} ${top} ${side} ${side}`);
      view.setAttribute("aria-hidden", "true");
      const use = document.createElementNS(NS, "use");
      use.setAttribute("href", `#${data.slug}.${image}`);
      view.append(use);
      const link = linked(`${patches}${patch}`, "");
      link.setAttribute("aria-label", `Patch ${patch}${texts ? ` of ${texts[image]}` : ""}`);
      link.append(view);
      mosaic.append(link);
    });
    return mosaic;
  };
  const list = (title, rows) => {
    const box = element("div", "", element("h4", "", title));
    box.append(element("ul", "", ...rows.slice(0, 6).map(([first, second]) => element("li", "", first, element("span", "", second)))));
    return box;
  };
  const told = (drawing, at, patches) => {
    const { data, cards } = drawing;
    const card = cards[at];
    const href = card.getAttribute("href");
    const end = (other, [, , flow, sign, weight]) => {
      const of = Math.min(1, flow / data.shares[at]);
      const words = [percent(flow), `${percent(of)} of it`];
      if (sign < 0) words.push("lowers");
      if (weight !== null) words.push(`W ${weight < 0 ? "−" : "+"}${Math.abs(weight).toFixed(2)}`);
      return [linked(cards[other].getAttribute("href"), name(cards[other])), words.join(" · ")];
    };
    const sorted = (from, to) => data.edges.filter((edge) => edge[from] === at).sort((a, b) => b[2] - a[2])
      .map((edge) => end(edge[to], edge));
    const layer = cards[at].dataset.key.replace(/\/[^/]*$/, "");
    const called = `${name(card)} of ${layer}`;
    const lists = [];
    const members = data.members[at] || [];
    if (members.length) {
      const neurons = members.filter(([channel]) => channel >= 0).map(([channel, lent]) =>
        element("li", "", linked(href.replace(/G\d+$/, `n${channel}`), `n${channel}`), ` ${percent(lent)}  `));
      const rest = members.find(([channel]) => channel < 0);
      if (rest) neurons.push(element("li", "", linked(href, `and ${rest[1].toLocaleString("en")} more`)));
      lists.push(element("div", "", element("h4", "", "Its neurons, and what each lends it of the logit"), element("ul", "few", ...neurons)));
    }
    const [into, out] = [sorted(1, 0), sorted(0, 1)];
    if (into.length) lists.push(list("Leads up to", into));
    if (out.length) lists.push(list("Comes from", out));
    const head = element("div", "head", element("h3", "", called), `${label(card).split(" · ").pop()} of the logit`,
      linked(href, "Its page"));
    return { called, parts: [head, tiles(data, at, patches, called), element("div", "told", ...lists)] };
  };

  // Pointing, focus, and pinning. A plain click pins; one with a key held, and all without a script, follow the link.
  const pickable = (figure, drawings) => {
    const panel = Object.assign(element("section", "panel"), { hidden: true });
    const patches = (figure.dataset.patches || "").replace("#!", "#");
    let pinned = null;
    const of = (target) => drawings.find((one) => one.svg.contains(target));
    const again = () => drawings.forEach((one) => light(one, one.cards.includes(pinned) ? pinned : null));
    const pin = (card, scroll = true) => {
      if (pinned) { pinned.classList.remove("pinned"); pinned.removeAttribute("aria-expanded"); }
      pinned = pinned === card ? null : card;
      panel.hidden = !pinned;
      again();
      if (!pinned) return;
      const drawing = of(card);
      card.classList.add("pinned");
      card.setAttribute("aria-expanded", "true");
      const { called, parts } = told(drawing, place(card), patches);
      parts[0].append(button("Close", () => { const last = pinned; pin(last); last.focus({ preventScroll: true }); }));
      panel.setAttribute("aria-label", called);
      panel.replaceChildren(...parts);
      panel.querySelectorAll(".mosaic").forEach((mosaic) => mosaic.dispatchEvent(new CustomEvent("mosaic", { bubbles: true })));
      if (!scroll) return;
      const hidden = card.getBoundingClientRect().bottom + 12 - Math.min(innerHeight, panel.getBoundingClientRect().top);
      if (hidden > 0) scrollBy({ top: hidden });
    };
    figure.querySelector("figcaption").before(panel);
    drawings.forEach((drawing) => {
      const { svg } = drawing;
      const over = (event) => { const card = event.target.closest("a[data-key]"); if (card && card !== drawing.lit) light(drawing, card); };
      const out = (event) => { if (!event.relatedTarget?.closest?.("a[data-key]")) again(); };
      svg.addEventListener("pointerover", over);
      svg.addEventListener("pointerout", out);
      svg.addEventListener("focusin", (event) => { if (event.target.matches(":focus-visible")) over(event); });
      svg.addEventListener("focusout", out);
      svg.addEventListener("click", (event) => {
        const card = event.target.closest("a[data-key]");
        if (!card || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        pin(card);
      });
    });
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !pinned || document.querySelector("dialog[open]")) return;
      const [last, inside] = [pinned, panel.contains(document.activeElement)];
      pin(last);
      if (inside) last.focus({ preventScroll: true });
    });
    return { pin: (card) => { if (card !== pinned) pin(card, false); }, again, unpin: () => { if (pinned) pin(pinned); } };
  };

  // Which lines are shown, and whether groups, neurons or both.
  const levels = (drawings, again, tools) => {
    const range = Object.assign(document.createElement("input"), { type: "range", min: 0, max: 2, step: 1, value: 2 });
    const said = element("output", "");
    const show = () => {
      const keep = LEVELS[range.value];
      said.textContent = `${keep}% of the flow`;
      range.setAttribute("aria-valuetext", said.textContent);
      drawings.forEach((one) => {
        one.keep = keep;
        LEVELS.forEach((level) => one.svg.classList.toggle(`upto${level}`, level === keep && keep < 95));
      });
      again();
    };
    range.addEventListener("input", show);
    tools.append(element("label", "", "Lines", range, said));
    show();
  };
  const choice = (boxes, unpin, tools) => {
    const [groups] = boxes;
    const name = `what-${groups.querySelector("svg").id}`;
    const show = (what) => {
      unpin();
      boxes.forEach((box, i) => { box.hidden = (what === "neurons") !== (i === 1); });
      groups.querySelector("svg").classList.toggle("both", what === "both");
      groups.querySelectorAll("a[data-key]:has(.inside)").forEach((card) => {
        named.set(card, label(card));
        const inside = [...card.querySelectorAll(".inside text")].map((text) => text.textContent);
        card.setAttribute("aria-label", [label(card), ...(what === "both" ? inside : [])].join(" "));
      });
      dispatchEvent(new Event("resize"));  // where a drawing that was hidden keeps its layers' names
    };
    const made = element("fieldset", "", element("legend", "unseen", "Show"), ...["groups", "neurons", "both"].map((what) => {
      const radio = Object.assign(document.createElement("input"), { type: "radio", name, value: what, checked: what === "groups" });
      radio.addEventListener("change", () => show(what));
      return element("label", "", radio, element("span", "", what[0].toUpperCase() + what.slice(1)));
    }));
    tools.append(made);
  };

  // One group's neurons with all of their edges; everything else fades.
  const neuronsOf = (section, box, { svg, cards }, zoom, tools) => {
    const edges = JSON.parse(section.querySelector("script.edges").textContent);
    const places = cards.map((card) => card.querySelector(".card"));
    const keys = [...new Set(cards.flatMap((card) => (card.dataset.groups || "").split(" ").filter(Boolean)))];
    const choose = document.createElement("select");
    choose.append(new Option("All neurons", ""), ...keys.map((key) => new Option(key.replace("/", " "), key)));
    tools.prepend(element("label", "", "Neurons of", choose));
    const layer = document.createElementNS(NS, "g");
    svg.insertBefore(layer, svg.querySelector("a[data-key]"));
    const most = Math.max(...edges.map(([, , flow]) => Math.abs(flow)), 1e-9);
    const line = ([upper, lower, flow]) => {
      const [a, b] = [places[upper], places[lower]].map((card) => ({ x: card.x.baseVal.value + card.width.baseVal.value / 2, y: card.y.baseVal.value, h: card.height.baseVal.value }));
      const [top, bend] = [a.y + a.h, (b.y - a.y - a.h) / 2];
      const path = document.createElementNS(NS, "path");
      path.setAttribute("class", `s ${flow < 0 ? "q" : "p"}`);
      path.setAttribute("d", `M${a.x} ${top}C${a.x} ${top + bend} ${b.x} ${b.y - bend} ${b.x} ${b.y}`);
      const width = Math.max(0.6, 12 * Math.abs(flow) / most);
      path.setAttribute("stroke-width", width.toFixed(2));
      if (flow < 0) path.setAttribute("stroke-dasharray", `${4 + 0.6 * width} ${2.5 + 0.4 * width}`);
      return path;
    };
    const show = (key) => {
      choose.value = key;
      svg.classList.toggle("picked", Boolean(key));
      const own = new Set(cards.keys().filter((i) => (cards[i].dataset.groups || "").split(" ").includes(key)));
      const lines = key ? edges.filter(([upper, lower]) => own.has(upper) || own.has(lower)) : [];
      const near = new Set([...own, ...lines.flatMap(([upper, lower]) => [upper, lower])]);
      cards.forEach((card, i) => { card.classList.toggle("off", Boolean(key) && !near.has(i)); card.classList.toggle("own", own.has(i)); });
      layer.replaceChildren(...lines.map(line));
      if (!own.size) return;
      const across = [...near].map((i) => places[i].x.baseVal.value);
      const [left, right] = [Math.min(...across), Math.max(...across) + places[0].width.baseVal.value];
      zoom.set(Math.min(1, Math.max(0.35, (box.clientWidth - 40) / (right - left))));
      const first = places[[...own][0]];
      box.scrollLeft = ((left + right) / 2) * zoom.now() - box.clientWidth / 2;
      box.scrollTop = (first.y.baseVal.value + first.height.baseVal.value / 2) * zoom.now() - box.clientHeight / 2;
    };
    choose.addEventListener("change", () => show(choose.value));
    return { keys, show };
  };

  // A group or neuron that the address names is picked, and where its neurons are drawn they are picked out.
  const addressed = new Map();
  const follow = () => {
    const key = decodeURIComponent(location.hash.slice(1)).split("--").pop();
    if (!key.includes("/")) return;
    const scope = document.querySelector("article.page.here") || document;
    const found = [...addressed].filter(([figure]) => scope.contains(figure)).map(([, one]) => one);
    const own = found.find(({ pick }) => pick?.keys.includes(key));
    const drawn = own && !own.cards.some((one) => one.dataset.key.endsWith("/rest")) ? own : null;
    found.forEach(({ pin, box, cards }) => {
      const card = cards.find((one) => one.dataset.key === key);
      if (!card) return;
      pin(card);
      const [at, frame] = [card.querySelector(".card").getBoundingClientRect(), box.getBoundingClientRect()];
      box.scrollLeft += at.left + at.width / 2 - frame.left - frame.width / 2;
      box.scrollTop += at.top + at.height / 2 - frame.top - frame.height / 3;
    });
    if (own) own.pick.show(key);
    const shown = drawn || found.find(({ cards }) => cards.some((one) => one.dataset.key === key));
    if (shown?.box.getClientRects().length) shown.section.scrollIntoView();
  };

  document.querySelectorAll("figure.drawing").forEach((figure) => {
    const boxes = [...figure.querySelectorAll(".scroll")].filter((box) => box.querySelector("svg.circuit"));
    const known = [...figure.querySelectorAll("script.panel-data")].map((data) => JSON.parse(data.textContent));
    const drawings = boxes.map((box, i) => ({ ...read(box.querySelector("svg.circuit")), data: known[i] }));
    if (!drawings.some((one) => one.cards.length)) return;
    drawings.forEach(walkable);
    const tools = element("div", "tools");
    boxes[0].before(tools);
    const small = drawings[0].svg.classList.contains("small");
    const zoom = small && zoomable(boxes[0], drawings[0].svg, tools);
    const section = figure.closest("section");
    if (!known.length) return;
    const { pin, again, unpin } = pickable(figure, drawings);
    tools.append(element("span", "hint", "Point at a card for its lines; click it for its patches."));
    levels(drawings, again, tools);
    if (boxes[1]) choice(boxes, unpin, tools);
    const pick = section.querySelector("script.edges") && neuronsOf(section, boxes[0], drawings[0], zoom, tools);
    if (small) addressed.set(figure, { pin, pick, section, box: boxes[0], cards: drawings[0].cards });
  });
  addEventListener("hashchange", follow);
  addEventListener("load", () => setTimeout(follow));
})();
