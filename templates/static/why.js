// What if some of a layer's largest groups were not there? Switches over what was computed; the table below has it all.
"use strict";
(() => {
  const make = (name, className, text) => {
    const found = document.createElement(name);
    if (className) found.className = className;
    if (text) found.textContent = text;
    return found;
  };
  document.querySelectorAll(".whatif").forEach((box) => {
    const data = JSON.parse(box.querySelector(".whatif-data").textContent);
    const tools = make("fieldset", "switches");
    tools.append(make("legend", "", "Without"));
    const boxes = data.groups.map((name) => {
      const label = make("label");
      const input = make("input");
      input.type = "checkbox";
      label.append(input, make("span", "", name));
      tools.append(label);
      return input;
    });
    const said = make("output");
    said.setAttribute("aria-live", "polite");
    const tell = () => {
      const number = boxes.reduce((bits, input, n) => bits + (input.checked ? 2 ** n : 0), 0);
      const other = data.predicted[number] !== data.usual;
      said.replaceChildren(make("b", "", `${other ? "→ " : ""}${data.predicted[number]}`), ` margin ${data.margins[number]}`);
      said.classList.toggle("other", other);
    };
    tools.addEventListener("change", tell);
    tell();
    box.querySelector("h4").after(tools, said);
  });
})();
