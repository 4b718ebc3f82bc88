// Filters over rows that are already there; the page is complete without this script.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);
  const rank = { low: 0, medium: 1, high: 2, critical: 3 };
  const tools = one("tools"), find = one("q"), severity = one("severity"), level = one("level");
  const chips = all("input[name=show]", tools);
  const rows = all("details.c").map((row) => ({
    row, verdict: row.classList[1], rank: rank[row.dataset.s], level: row.dataset.l, part: row.closest(".part"), text: "",
  }));
  const parts = all("#findings .part"), sections = all("#findings .section");

  const show = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length && !rows[0]?.text) for (const entry of rows) entry.text = entry.row.textContent.toLowerCase();
    const verdicts = new Set(chips.filter((chip) => chip.checked).map((chip) => chip.value));
    const least = severity.value ? rank[severity.value] : 0;
    const used = new Set();
    let shown = 0;
    for (const entry of rows) {
      const fits = verdicts.has(entry.verdict) && entry.rank >= least && (!level?.value || entry.level === level.value)
        && words.every((word) => entry.text.includes(word));
      if (entry.row.hidden === fits) entry.row.hidden = !fits;
      if (fits) { shown += 1; used.add(entry.part); }
    }
    for (const part of parts) part.hidden = !used.has(part);
    for (const section of sections) section.hidden = all(".part", section).every((part) => part.hidden);
    one("shown").textContent = `${shown} of ${rows.length} shown`;
    one("nothing").hidden = shown > 0;
    one("reset").hidden = shown === rows.length;
    label();
  };

  // The filter lives in the fragment, so that a filtered view is a link.
  const write = () => {
    const state = new URLSearchParams();
    const on = chips.filter((chip) => chip.checked).map((chip) => chip.value);
    if (on.length < chips.length) state.set("show", on.join(","));
    if (severity.value) state.set("severity", severity.value);
    if (level?.value) state.set("level", level.value);
    if (find.value.trim()) state.set("q", find.value.trim());
    const hash = state.toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  };
  const reset = () => {
    for (const chip of chips) chip.checked = true;
    severity.value = find.value = "";
    if (level) level.value = "";
  };
  const read = () => {
    const hash = location.hash.slice(1);
    const target = hash && one(decodeURIComponent(hash));
    if (target) {
      const row = target.closest("details.c");
      if (row?.hidden) { reset(); show(); }
      if (row) row.open = true;
      target.scrollIntoView();
      return;
    }
    if (!/^(show|severity|level|q)=/.test(hash)) return;
    const state = new URLSearchParams(hash);
    reset();
    if (state.has("show")) {
      const on = new Set(state.get("show").split(","));
      for (const chip of chips) chip.checked = on.has(chip.value);
    }
    severity.value = state.get("severity") ?? "";
    if (severity.selectedIndex < 0) severity.value = "";
    if (level) { level.value = state.get("level") ?? ""; if (level.selectedIndex < 0) level.value = ""; }
    find.value = state.get("q") ?? "";
  };

  // Open and close what is shown.
  const visible = () => rows.filter((entry) => !entry.row.hidden);
  const label = () => {
    const some = visible();
    one("open").textContent = some.length && some.every((entry) => entry.row.open) ? "Close shown" : "Open shown";
  };
  one("open").addEventListener("click", () => {
    const some = visible(), open = !some.every((entry) => entry.row.open);
    for (const entry of some) entry.row.open = open;
    label();
  });

  const changed = () => { show(); write(); };
  find.addEventListener("input", changed);
  tools.addEventListener("change", (event) => { if (event.target !== find) changed(); });
  one("reset").addEventListener("click", () => { reset(); changed(); find.focus(); });
  addEventListener("hashchange", () => { read(); show(); });

  // Browsers that cannot open drawers on paper by style alone.
  if (!CSS.supports("selector(::details-content)")) {
    let closed = [];
    addEventListener("beforeprint", () => { closed = all("details:not([open])"); for (const row of closed) row.open = true; });
    addEventListener("afterprint", () => { for (const row of closed) row.open = false; });
  }

  tools.hidden = false;
  read();
  show();
})();
