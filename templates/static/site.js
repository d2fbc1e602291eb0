// What the report gains from a script: a theme switch, and sections that unfold when linked to or printed.
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
    button.textContent = { auto: "Auto colours", light: "Light", dark: "Dark" }[theme];
    button.setAttribute("aria-label", `Colours: ${button.textContent}. Change`);
  };
  const kept = keep.get();
  show(themes.includes(kept) ? kept : given);
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
    show(next);
    keep.set(next);
  });
  document.querySelector(".bar .wrap").append(button);

  const unfold = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    const place = id && document.getElementById(id);
    for (let box = place && place.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
    if (place) place.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();

  const closed = () => document.querySelectorAll("details:not([open])");
  let opened = [];
  addEventListener("beforeprint", () => { opened = [...closed()]; opened.forEach((box) => { box.open = true; }); });
  addEventListener("afterprint", () => opened.forEach((box) => { box.open = false; }));
})();
