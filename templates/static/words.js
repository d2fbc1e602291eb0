// A word of the field shows its meaning beside it while it is pointed at or focused; without a script it is a link.
"use strict";
(() => {
  const box = Object.assign(document.createElement("div"), { className: "say", id: "say", hidden: true });
  box.setAttribute("role", "tooltip");
  document.body.append(box);
  const hide = () => { box.hidden = true; document.querySelector("[aria-describedby=say]")?.removeAttribute("aria-describedby"); };
  const show = (word) => {
    hide();
    box.textContent = word.dataset.say;
    box.hidden = false;
    word.setAttribute("aria-describedby", "say");
    const [at, own] = [word.getBoundingClientRect(), box.getBoundingClientRect()];
    const left = Math.max(8, Math.min(at.left, document.documentElement.clientWidth - own.width - 8));
    const above = at.bottom + own.height + 8 > innerHeight && at.top > own.height + 8;
    box.style.left = `${left + scrollX}px`;
    box.style.top = `${(above ? at.top - own.height - 6 : at.bottom + 6) + scrollY}px`;
  };
  for (const word of document.querySelectorAll(".term")) {
    word.addEventListener("pointerenter", () => show(word));
    word.addEventListener("focus", () => show(word));
    word.addEventListener("pointerleave", hide);
    word.addEventListener("blur", hide);
  }
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
})();
