// What a circuit gains from a script: zoom and panning, the arrow keys from card to card, and the neurons of one group
// picked out of the whole.
"use strict";
(() => {
  const NS = "http://www.w3.org/2000/svg";
  const button = (text, name, act) => {
    const made = Object.assign(document.createElement("button"), { type: "button", className: "tool", textContent: text });
    made.setAttribute("aria-label", name);
    made.addEventListener("click", act);
    return made;
  };

  // Zoom is the drawing's width in its box, and panning the box's own scrolling: both work as anywhere else.
  const zoomable = (box, svg) => {
    const full = svg.viewBox.baseVal.width;
    let scale = 0;
    const set = (next, x = box.clientWidth / 2, y = box.clientHeight / 2) => {
      const before = scale || svg.getBoundingClientRect().width / full;
      scale = Math.min(4, Math.max(0.1, next));
      const [left, top] = [(box.scrollLeft + x) / before, (box.scrollTop + y) / before];
      svg.style.inlineSize = `${full * scale}px`;
      svg.style.maxInlineSize = "none";
      box.scrollLeft = left * scale - x;
      box.scrollTop = top * scale - y;
    };
    const now = () => scale || svg.getBoundingClientRect().width / full;
    const fit = () => { scale = 0; svg.style.inlineSize = svg.style.maxInlineSize = ""; };
    const whole = () => { scale = 0; set((box.clientWidth - 4) / full); box.scrollTo(0, 0); };
    const tools = document.createElement("div");
    tools.className = "tools zoom";
    tools.append(button("+", "Zoom in", () => set(now() * 1.25)), button("−", "Zoom out", () => set(now() / 1.25)),
      button("Whole", "Show the whole drawing", whole), button("Reset", "As it was", fit));
    box.before(tools);
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

  // From card to card: left and right in a row, up and down along the strongest line.
  const walkable = (svg) => {
    const cards = [...svg.querySelectorAll(":scope > a")].filter((card) => /\bc\d+\b/.test(card.getAttribute("class")));
    if (!cards.length) return;
    const number = (card) => Number(/\bc(\d+)\b/.exec(card.getAttribute("class"))[1]);
    const byNumber = new Map(cards.map((card) => [number(card), card]));
    const frame = new Map(cards.map((card) => [card, card.querySelector(".card")]));
    const [x, y] = ["x", "y"].map((side) => (card) => frame.get(card)[side].baseVal.value);
    const lines = [...svg.querySelectorAll("path.e")].map((path) => {
      const [, upper, lower] = /u(\d+) l(\d+)/.exec(path.getAttribute("class"));
      return { upper: byNumber.get(Number(upper)), lower: byNumber.get(Number(lower)), width: Number(path.getAttribute("stroke-width")) };
    }).sort((a, b) => b.width - a.width);
    const beside = (card, by) => {
      const row = cards.filter((other) => Math.abs(y(other) - y(card)) < 2).sort((a, b) => x(a) - x(b));
      return row[row.indexOf(card) + by];
    };
    const along = (card, from, to) => {
      const line = lines.find((one) => one[from] === card && one[to]);
      return line && line[to];
    };
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

  // One group's neurons with all of their edges; everything else fades.
  const pickable = (section, box, svg, zoom) => {
    const edges = JSON.parse(section.querySelector("script.edges").textContent);
    const cards = [...svg.querySelectorAll(":scope > a[aria-label]")].filter((card) => card.querySelector(".card"));
    const places = cards.map((card) => card.querySelector(".card"));
    const keys = [...new Set(cards.flatMap((card) => (card.dataset.groups || "").split(" ").filter(Boolean)))];
    const choose = document.createElement("select");
    choose.append(new Option("All neurons", ""), ...keys.map((key) => new Option(key.replace("/", " "), key)));
    choose.setAttribute("aria-label", "Pick out the neurons of a group");
    box.previousElementSibling.prepend(choose);
    const layer = document.createElementNS(NS, "g");
    svg.insertBefore(layer, svg.querySelector("a.c0"));
    const most = Math.max(...edges.map(([, , weight]) => Math.abs(weight)), 1e-9);
    const line = ([upper, lower, weight]) => {
      const [a, b] = [places[upper], places[lower]].map((card) => ({ x: card.x.baseVal.value + card.width.baseVal.value / 2, y: card.y.baseVal.value, h: card.height.baseVal.value }));
      const [top, bend] = [a.y + a.h, (b.y - a.y - a.h) / 2];
      const path = document.createElementNS(NS, "path");
      path.setAttribute("class", `s ${weight < 0 ? "q" : "p"}`);
      path.setAttribute("d", `M${a.x} ${top}C${a.x} ${top + bend} ${b.x} ${b.y - bend} ${b.x} ${b.y}`);
      const width = 0.8 + 5.2 * (Math.abs(weight) / most) ** 1.4;
      path.setAttribute("stroke-width", width.toFixed(2));
      if (weight < 0) path.setAttribute("stroke-dasharray", `${4 + 1.2 * width} ${2.5 + 0.8 * width}`);
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
    const linked = () => {
      const key = decodeURIComponent(location.hash.slice(1)).split("--").pop();
      if (!keys.includes(key)) return;
      show(key);
      section.scrollIntoView();
    };
    addEventListener("hashchange", linked);
    addEventListener("load", () => setTimeout(linked));
  };

  document.querySelectorAll(".drawing .scroll").forEach((box) => {
    const svg = box.querySelector("svg.circuit");
    if (!svg) return;
    const zoom = zoomable(box, svg);
    walkable(svg);
    const section = box.closest("section");
    if (section.querySelector("script.edges")) pickable(section, box, svg, zoom);
  });
})();
