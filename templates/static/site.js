// What the report gains from a script: a theme switch, wide drawings that open at their logit, and sections that
// unfold when linked to or printed, but for tables that say what a figure says.
"use strict";
(() => {
  const root = document.documentElement;
  const given = root.dataset.theme;
  const themes = ["auto", "light", "dark"];
  const keep = {
    get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
    set: (theme) => { try { localStorage.setItem("theme", theme); } catch { /* not kept */ } },
  };

  const button = document.createElement("button");
  button.type = "button";
  button.className = "theme";
  const show = (theme) => {
    root.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
    button.setAttribute("aria-label", `${button.textContent}. Change colours`);
  };
  const kept = keep.get();
  show(themes.includes(kept) ? kept : given);
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
    show(next);
    keep.set(next);
  });
  document.querySelector(".bar .wrap").append(button);

  // In the single file one page is shown at a time: the one that is linked to, or that holds the place linked to.
  const pages = [...document.querySelectorAll("article.page")];
  const turn = (place) => {
    const page = (place && place.closest("article.page")) || pages[0];
    root.classList.add("paged");
    pages.forEach((other) => other.classList.toggle("here", other === page));
    if (page === place) scrollTo(0, 0);
  };

  // Where there is little room, tables that stand beside a picture elsewhere are folded.
  if (matchMedia("(max-width: 48rem)").matches) document.querySelectorAll(".roomy").forEach((box) => { box.open = false; });

  // There, too, the first half of a large mosaic stands for it until the rest is asked for.
  const half = (mosaic) => {
    const all = mosaic.children.length;
    const button = Object.assign(document.createElement("button"), { type: "button", className: "tool", textContent: `Show all ${all}` });
    button.addEventListener("click", () => { mosaic.classList.remove("half"); button.remove(); });
    mosaic.classList.add("half");
    mosaic.after(button);
  };
  if (matchMedia("(max-width: 30rem)").matches) {
    [...document.querySelectorAll(".wide-group .mosaic")].filter((mosaic) => mosaic.children.length > 12).forEach(half);
  }

  const unfold = (hash = location.hash) => {
    const id = decodeURIComponent(hash.slice(1));
    // A neuron that stands in a line has no place for each of its semantic groups: n12-2 leads to n12.
    const place = id && (document.getElementById(id) || document.getElementById(id.replace(/(n\d+)-\d+$/, "$1")));
    if (pages.length && (!id || place)) turn(place);
    for (let box = place && place.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
    if (place && !pages.includes(place)) place.scrollIntoView();
  };
  addEventListener("hashchange", () => unfold());
  unfold();
  // A sandboxed frame may not lead to a place in itself.
  if (pages.length && self !== top && origin === "null") {
    document.addEventListener("click", (event) => {
      const link = event.target.closest('a[href^="#"]');
      if (!link || event.defaultPrevented) return;
      event.preventDefault();
      unfold(link.getAttribute("href"));
    });
  }

  // A drawing wider than its box opens at its logit, and its layers' names stay in sight while it is scrolled.
  const wide = (box) => box.scrollWidth > box.clientWidth + 1;
  const centre = (box) => {
    const logit = box.querySelector(".card");
    if (!logit || !wide(box)) return;
    const [card, frame] = [logit.getBoundingClientRect(), box.getBoundingClientRect()];
    box.scrollLeft += card.left + card.width / 2 - frame.left - frame.width / 2;
  };
  const names = (box) => {
    const svg = box.querySelector("svg");
    const scale = svg.viewBox.baseVal.width / svg.getBoundingClientRect().width;
    const room = wide(box) ? box.scrollLeft * scale : 0;
    box.querySelectorAll("rect.band").forEach((band, i) => {
      const name = box.querySelectorAll("text.n")[i];
      const lift = room || (i && svg.classList.contains("far")) ? band.height.baseVal.value / 2 + Math.min(11, 4 + 7 * scale) : 0;
      name.classList.toggle("lifted", lift > 0);
      name.setAttribute("transform", `translate(${room.toFixed(1)} ${(-lift).toFixed(1)})`);
    });
  };
  const drawings = [...document.querySelectorAll(".drawing .scroll")].filter((box) => box.querySelector("rect.band"));
  drawings.forEach((box) => {
    box.addEventListener("scroll", () => requestAnimationFrame(() => names(box)), { passive: true });
    const first = box.querySelector("svg > .c0");
    if (first) box.querySelectorAll("text.n").forEach((name) => first.before(name.closest("a") || name));
    centre(box);
    names(box);
  });
  addEventListener("resize", () => drawings.forEach(names));
  addEventListener("beforeprint", () => drawings.forEach((box) => { box.scrollLeft = 0; names(box); }));
  addEventListener("afterprint", () => drawings.forEach(centre));

  const closed = () => document.querySelectorAll("details:not([open], .same)");
  let opened = [];
  addEventListener("beforeprint", () => { opened = [...closed()]; opened.forEach((box) => { box.open = true; }); });
  addEventListener("afterprint", () => opened.forEach((box) => { box.open = false; }));
})();
