(() => {
  "use strict";
  document.documentElement.classList.add("js");
  const box = document.getElementById("find"), told = document.getElementById("found");
  const rows = [...document.querySelectorAll("#decisions tbody tr")].map(
    (row) => [row, (row.textContent + " " + row.dataset.find).toLowerCase()]);
  const filter = () => {
    const words = box.value.toLowerCase().split(/\s+/);
    let count = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      if (!row.hidden) count += 1;
    }
    told.textContent = box.value.trim() ? `${count} of ${rows.length} match` : "";
  };
  if (box) {
    box.addEventListener("input", filter);
    for (const link of document.querySelectorAll("a[data-find]"))
      link.addEventListener("click", () => { box.value = link.dataset.find; filter(); });
  }
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("section > details")) one.open = true;
  });
})();
