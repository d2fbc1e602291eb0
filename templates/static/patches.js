// What patches gain from a script: their place in the picture on pointing or focus, arrow keys within a mosaic, and a
// larger view of both. Without it, a patch leads to its place on the page of the class's pictures.
"use strict";
(() => {
  const mosaics = [...document.querySelectorAll(".mosaic[role=group]")];
  if (!mosaics.length && !document.querySelector("figure.drawing")) return;
  const element = (name, look, ...inside) => {
    const made = document.createElement(name);
    made.className = look;
    made.append(...inside);
    return made;
  };
  // The window on the picture, as shares of its side: from the size and place of an image, or a drawing's viewBox.
  const box = (link) => {
    const view = link.querySelector("svg:not(.whole)");
    if (view) {
      const { x, y, width } = view.viewBox.baseVal;
      return { left: x, top: y, side: width };
    }
    const style = getComputedStyle(link.firstElementChild);
    const [left, top, side] = ["--l", "--t", "--s"].map((name) => Number(style.getPropertyValue(name)));
    return { left, top, side };
  };
  const number = (link) => {
    const image = link.querySelector("img");
    return Number(image ? /(\d+)\.\w+$/.exec(image.getAttribute("src"))[1]
      : link.querySelector("use").getAttribute("href").split(".").pop());
  };
  const whole = (link) => {
    const copy = link.firstElementChild.cloneNode(true);
    copy.removeAttribute("class");
    copy.querySelectorAll("rect").forEach((frame) => frame.remove());
    if (copy.viewBox) copy.setAttribute("viewBox", "0 0 1 1");
    return copy;
  };
  const alone = (link) => {
    const copy = link.firstElementChild.cloneNode(true);
    const { left, top, side } = box(link);
    copy.classList.remove("whole");
    copy.querySelectorAll("rect").forEach((frame) => frame.remove());
    if (copy.viewBox) copy.setAttribute("viewBox", `${left} ${top} ${side} ${side}`);
    return copy;
  };
  const placed = (link) => {
    const { left, top, side } = box(link);
    const mark = element("b", "");
    mark.style.cssText = `--l:${left};--t:${top};--s:${side}`;
    return element("div", "frame", whole(link), mark);
  };
  // What a patch stands for and the name of its picture, as its own text says.
  const named = (link) => {
    const shown = link.firstElementChild;
    return shown.getAttribute("alt") || shown.getAttribute("aria-label") || "";
  };
  const known = (link) => globalThis.captions?.[link.closest("[data-class]").dataset.class];
  // The page of all classes asks for what is known of one class's pictures when a patch of it is opened.
  const asked = new Map();
  const ask = (address) => {
    if (!asked.has(address)) {
      asked.set(address, new Promise((done) => {
        document.head.append(Object.assign(document.createElement("script"), { src: address, onload: done, onerror: done }));
      }));
    }
    return asked.get(address);
  };
  const said = (link) => {
    const { left, top, side } = box(link);
    if (!known(link)) return [];
    const { size, texts } = known(link);
    const at = (share) => Math.round(share * size);
    return [texts[number(link)],
      `The patch: ${at(side)} × ${at(side)} pixels at (${at(left)}, ${at(top)}) of ${size} × ${size}`];
  };

  // On pointing or focus: the picture, small, beside the patch.
  const tip = element("div", "tip");
  tip.setAttribute("aria-hidden", "true");
  tip.hidden = true;
  document.body.append(tip);
  let shown = null;
  const hide = () => { shown = null; tip.hidden = true; };
  const beside = () => {
    if (!shown) return;
    const at = shown.getBoundingClientRect();
    tip.hidden = at.bottom < 0 || at.top > innerHeight; // and back, where the page scrolls to the patch only now
    if (tip.hidden) return;
    const wide = tip.offsetWidth + 8;
    const left = at.right + wide < innerWidth ? at.right + 8 : at.left - wide;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, Math.min(at.top, innerHeight - tip.offsetHeight - 4))}px`;
  };
  const show = (link) => {
    shown = link;
    tip.replaceChildren(placed(link), element("p", "", named(link)));
    tip.hidden = false;
    beside();
  };

  // On a click: both large, with what is known of the picture.
  const heading = element("h2", "", "");
  heading.id = "lightbox-head";
  const words = element("div", "words");
  const stage = element("div", "stage");
  const button = (text, name, act) => {
    const made = element("button", "tool", text, element("span", "unseen", name && ` ${name}`));
    made.type = "button";
    made.addEventListener("click", act);
    return made;
  };
  let links = [];
  let at = 0;
  const step = (by) => { at = (at + by + links.length) % links.length; fill(); };
  const dialog = element("dialog", "lightbox", element("div", "head", heading,
    element("div", "keys", button("←", "Previous patch", () => step(-1)), button("→", "Next patch", () => step(1)),
      button("Close", "", () => dialog.close()))), stage, words);
  dialog.setAttribute("aria-labelledby", heading.id);
  document.body.append(dialog);
  const fill = () => {
    const link = links[at];
    heading.textContent = named(link);
    const patch = element("span", "patch", alone(link));
    stage.replaceChildren(placed(link), patch);
    const place = element("a", "", "All pictures of the class");
    place.href = link.href;
    place.addEventListener("click", () => dialog.close());
    const of = element("p", "", `${at + 1} of ${link.closest(".mosaic").getAttribute("aria-label")}`);
    const address = link.closest("[data-class]").dataset.captions;
    if (!known(link) && address) ask(address).then(() => { if (known(link) && links[at] === link) fill(); });
    words.replaceChildren(...said(link).map((text) => element("p", "", text)), of, element("p", "", place));
  };
  dialog.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    step(by);
  });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { if (links[at]) move(links[at]); });
  const open = (link) => {
    hide();
    links = [...link.closest(".mosaic").querySelectorAll("a")];
    at = links.indexOf(link);
    fill();
    dialog.showModal();
  };

  const move = (link) => {
    link.closest(".mosaic").querySelectorAll("a").forEach((other) => { other.tabIndex = other === link ? 0 : -1; });
    link.focus();
  };
  const walk = (event) => {
    const all = [...event.currentTarget.querySelectorAll("a")];
    const from = all.indexOf(document.activeElement);
    const across = Number(getComputedStyle(event.currentTarget).getPropertyValue("--c"));
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
    if (by === undefined || !all[from + by]) return;
    event.preventDefault();
    move(all[from + by]);
  };
  const live = (mosaic) => {
    [...mosaic.querySelectorAll("a")].slice(1).forEach((link) => { link.tabIndex = -1; });
    mosaic.addEventListener("keydown", walk);
    mosaic.addEventListener("pointerover", (event) => { const a = event.target.closest("a"); if (a) show(a); });
    mosaic.addEventListener("pointerleave", hide);
    mosaic.addEventListener("focusin", (event) => { if (event.target.matches(":focus-visible")) show(event.target); });
    mosaic.addEventListener("focusout", hide);
    mosaic.addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      open(link);
    });
  };
  mosaics.forEach(live);
  addEventListener("mosaic", (event) => live(event.target));
  addEventListener("scroll", beside, { passive: true, capture: true });
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
})();
