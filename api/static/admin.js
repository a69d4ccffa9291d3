// The link's text is after the # of the address, where no server sees it: it goes into the form, and out of the address.
const link = document.querySelector("#enter #link");
if (link && location.hash.length > 1) {
  link.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}

// What fails is said beside what was asked for, where it names a place with data-trouble: in the server's words if it
// answered with a line of ours, and not what a proxy may have put in its place.
const say = (asked, line) => document.getElementById(asked?.dataset.trouble)?.replaceChildren(...(line ? [line] : []));
const away = () => {
  const line = document.createElement("p");
  line.className = "notice fault";
  line.textContent = "Laurel cannot be reached just now. Try again in a moment.";
  return line;
};
const told = (answer) => new DOMParser().parseFromString(answer, "text/html").querySelector("p.notice");
const on = (event, handle) => document.addEventListener(`htmx:${event}`, ({ detail }) => handle(detail));
on("responseError", ({ elt, xhr }) => say(elt, told(xhr.responseText) ?? away()));
on("sendError", ({ elt }) => say(elt, away()));

// What comes again and again moves nobody: nothing is put in that is there already, and tables stay where they were
// scrolled to. htmx itself keeps the focus of what has an id.
let last = "";
let scrolled = new Map();
on("beforeSwap", (swap) => {
  if (swap.target.id !== "live") return;
  swap.shouldSwap &&= swap.serverResponse !== last || swap.xhr.status !== 200;
  if (swap.shouldSwap) last = swap.serverResponse;
  scrolled = new Map([...document.querySelectorAll(".scrolls")].map((one) => [one.id, one.scrollLeft]));
  if (!swap.isError) say(swap.elt);
});
on("afterSwap", () => scrolled.forEach((left, id) => document.getElementById(id)?.scrollTo({ left })));
