"use strict";
// Without this script the page reads just as well; with it there are a filter, copies and one's own address.
const operations = [...document.querySelectorAll(".operation")];
const found = document.getElementById("found");
const filter = document.getElementById("filter");

for (const origin of document.querySelectorAll(".origin")) {
  if (location.protocol.startsWith("http")) origin.textContent = location.origin;
}

function sieve() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let left = 0;
  for (const operation of operations) {
    const fits = words.every((word) => operation.dataset.sought.includes(word));
    operation.hidden = !fits;
    document.querySelector(`nav a[href="#${operation.id}"]`).parentElement.hidden = !fits;
    left += fits;
  }
  for (const group of document.querySelectorAll(".group")) {
    group.hidden = !group.querySelector(".operation:not([hidden])");
    document.querySelector(`nav a[href="#${group.id}"]`).parentElement.hidden = group.hidden;
  }
  document.querySelector(".intro").hidden = words.length > 0;
  found.textContent = words.length ? `${left} of ${operations.length} routes` : "";
}

function openAll(open) {
  for (const operation of operations) operation.querySelector("details").open = open;
}

function openNamed() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = named?.classList.contains("operation") && named.querySelector("details");
  if (!details) return;
  details.open = true;
  named.scrollIntoView();
}

async function copy(button) {
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  } catch {
    // Browsers give the clipboard to secure pages only.
    getSelection().selectAllChildren(code);
  }
}

document.querySelector(".filter").hidden = false;
filter.addEventListener("input", sieve);
document.getElementById("open").addEventListener("click", () => openAll(true));
document.getElementById("close").addEventListener("click", () => openAll(false));
for (const button of document.querySelectorAll(".copy")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}
addEventListener("hashchange", openNamed);
sieve();
openNamed();
