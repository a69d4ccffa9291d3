// The review of orders in a browser. Everything that the server tells is written as text, never as markup. The API key
// lives in `key` alone: it is in no storage, no address and no form that is sent.

const MINOR_DIGITS = JSON.parse(document.body.dataset.minorDigits);
const PAGE = 50; // orders of one request

const VIEWS = [
  {
    name: "review",
    title: "Needs a decision",
    states: ["in_review"],
    lead: "These orders stand still until somebody decides. Their points stay held or spent as they are.",
    empty: "Nothing needs a decision.",
  },
  {
    name: "funds",
    title: "Awaiting funds",
    states: ["awaiting_funds"],
    lead: "The vendor's account lacks the money for these. Fund it, and they go on by themselves.",
    empty: "No order waits for money.",
  },
  {
    name: "paused",
    title: "Paused",
    states: ["paused"],
    lead: "These came while the program's orders were paused. They go on once orders are resumed.",
    empty: "No order is paused.",
  },
  {
    name: "refused",
    title: "Refused",
    states: ["rejected", "failed"],
    lead: "The vendor refused, for good. The points of a failed order are back with the member; a rejected one is being looked up first.",
    empty: "No order was refused.",
  },
];

// Why an order is in review, for whoever decides; docs/states.md has the same reasons.
const REASONS = {
  difference: ["Not as ordered", "What the vendor made is not what was ordered. The evidence says what differs: ask the vendor before you decide."],
  by_hand: ["To be handed over", "An item of the program's own. Hand it over, then mark the order as fulfilled."],
  unauthorized: ["Vendor refused the key", "The vendor does not accept the program's credentials. Put the connection right, then try again."],
  conflict: ["Order exists at the vendor", "The vendor knows another order under this one's key. Compare the two before you decide."],
  invalid_funding_source: ["Funding not set up", "The vendor's account has no such source of money. Put it right there, then try again."],
  wrong_realm: ["Wrong kind of account", "A trial program would reach a live vendor, or a live program a trial vendor. Put the connection right, then try again."],
  vendor_unavailable: ["Vendor silent", "The vendor gave no useful answer for two days. Try again once it answers."],
  unknown_at_vendor: ["Gone at the vendor", "The vendor does not know the order any more. Ask it whether a card was made."],
  cancelled_at_vendor: ["Cancelled at the vendor", "The vendor cancelled its order. If no card is out, refund or try again."],
  delivery_unknown: ["No word of delivery", "Nothing was heard of the card for a week. Ask the member or the vendor whether it arrived."],
  no_address: ["No address", "The card bounced, and nobody gave another address for two weeks."],
  not_cancellable: ["Cannot be taken back", "The vendor does not take the card back, so nothing was refunded."],
};

const ACTIONS = {
  retry: {
    label: "Try again",
    title: "Ask the vendor again?",
    effect: () => "The same request is sent once more under the order's own key, so that the vendor makes one card at most.",
    note: "Why",
    done: "will be tried again.",
  },
  fulfil: {
    label: "Mark as fulfilled",
    title: "Mark as fulfilled?",
    effect: (order) => `You vouch that it arrived. Nothing more is sent, and ${points(order)} are spent for good.`,
    note: "Proof that it arrived",
    done: "is fulfilled.",
  },
  refund: {
    label: "Refund",
    title: "Refund this order?",
    effect: (order) =>
      `A card that is out is taken back first, then ${points(order)} go back to the member. If it cannot be taken back, nothing is refunded and the order comes back to review.`,
    note: "Why",
    done: "is being refunded.",
    grave: true,
  },
};
const ALLOWED = { in_review: ["retry", "fulfil", "refund"], paused: ["refund"], awaiting_funds: ["refund"] };

let key = null;
let program = null; // the key's; null if it may not see to it
let view = VIEWS[0];
let chosen = null; // the id of the order that is shown
let pages = new Map(); // by name of the view: {orders, cursors by state}
let round = 0; // of loading: what an earlier one brings is dropped
let decision = null; // what the dialog asks: {order, name, attempt}

// -- Small things ---------------------------------------------------------------------------------------------------

const at = (id) => document.getElementById(id);

/** An element with these properties; strings among its children become text. */
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function say(id, text) {
  at(id).textContent = text;
  at(id).hidden = !text;
}

/** For those who do not see the page. */
function announce(text) {
  at("spoken").textContent = text;
}

function money({ amount_minor, currency }) {
  const digits = MINOR_DIGITS[currency] ?? 2;
  const shape = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return `${(amount_minor / 10 ** digits).toLocaleString("en", shape)} ${currency}`;
}

function points({ price_points }) {
  return `${price_points.toLocaleString("en")} ${price_points === 1 ? "point" : "points"}`;
}

function words(name) {
  const text = name.replaceAll("_", " ");
  return text[0].toUpperCase() + text.slice(1);
}

function moment(iso) {
  const shown = new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
  return element("time", { dateTime: iso, title: iso }, shown);
}

function reasonOf(order) {
  if (!order.reason) return words(order.state);
  return REASONS[order.reason]?.[0] ?? words(order.reason);
}

function badge(state) {
  return element("span", { className: `badge ${state}` }, words(state));
}

// -- The API --------------------------------------------------------------------------------------------------------

/** What the API refused, as its problem document tells it. */
class Refused extends Error {
  constructor(status, problem, requestId) {
    const said = [problem?.title ?? `The server answered ${status}.`, problem?.detail, ...(problem?.errors ?? []).map((one) => one.detail)];
    super(said.filter(Boolean).join(" ") + (status >= 500 && requestId ? ` (request ${requestId})` : ""));
    this.status = status;
  }
}

async function call(path, body, idempotencyKey) {
  const headers = { Accept: "application/json", Authorization: `Bearer ${key}` };
  if (body) Object.assign(headers, { "Content-Type": "application/json", "Idempotency-Key": idempotencyKey });
  const options = { method: body ? "POST" : "GET", body, headers, cache: "no-store", credentials: "omit", redirect: "error" };
  const response = await fetch(`../v1/${path}`, options).catch(() => {
    throw new Refused(0, { title: "The server cannot be reached.", detail: "Nothing is known to have changed; try again." });
  });
  const told = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(response.status, told, response.headers.get("X-Request-Id"));
  return told;
}

/** A name under which the server does a thing once, however often it is asked. */
function newIdempotencyKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Shows the fault in its place; a key that is no longer good ends the session. */
function fail(error, id) {
  if (!(error instanceof Refused)) throw error;
  if (error.status === 401) signOut(error.message);
  else say(id, error.message);
}

// -- Signing in and out ---------------------------------------------------------------------------------------------

async function signIn(event) {
  event.preventDefault();
  const button = at("sign-in").querySelector("button");
  const given = at("key").value.trim();
  const fits = /^\w+$/.test(given);
  say("sign-in-fault", fits ? "" : "That is no API key: one has letters, digits and _ only.");
  if (!fits) return;
  key = given;
  button.disabled = true;
  button.textContent = "Signing in…";
  try {
    program = await readProgram();
    pages = await readViews();
    at("key").value = "";
    show();
    at("view-title").focus();
  } catch (error) {
    key = null;
    if (!(error instanceof Refused)) throw error;
    say("sign-in-fault", error.message);
    at("key").select();
  } finally {
    button.disabled = false;
    button.textContent = "Sign in";
  }
}

/** The key's program; null for a key that may not see to it, and so not decide either. */
async function readProgram() {
  return await call("program").catch((error) => {
    if (error.status !== 403) throw error;
    return null;
  });
}

function signOut(fault = "") {
  round += 1;
  [key, program, chosen, pages] = [null, null, null, new Map()];
  if (at("decision").open) at("decision").close();
  for (const id of ["list", "order", "program", "views"]) at(id).replaceChildren();
  for (const id of ["board", "tools", "program"]) at(id).hidden = true;
  at("key").value = "";
  at("sign-in").hidden = false;
  say("sign-in-fault", fault);
  at("key").focus();
}

// -- Lists ----------------------------------------------------------------------------------------------------------

/** The first page of every view, or those after `cursors`. */
async function readView({ states }, cursors = {}) {
  const more = Object.keys(cursors).length > 0;
  const asked = more ? states.filter((state) => cursors[state]) : states;
  const found = await Promise.all(
    asked.map((state) => call(`orders?${new URLSearchParams({ state, limit: PAGE, ...(more && { cursor: cursors[state] }) })}`)),
  );
  const next = asked.map((state, place) => [state, found[place].next_cursor]).filter(([, cursor]) => cursor);
  return { orders: found.flatMap((page) => page.items), cursors: Object.fromEntries(next) };
}

async function readViews() {
  return new Map(await Promise.all(VIEWS.map(async (one) => [one.name, await readView(one)])));
}

async function refresh() {
  const mine = ++round;
  at("orders").setAttribute("aria-busy", "true");
  at("refresh").disabled = true;
  say("list-fault", "");
  try {
    const found = await Promise.all([readViews(), readProgram()]);
    if (mine !== round) return;
    [pages, program] = found;
    show();
  } catch (error) {
    if (mine === round) fail(error, "list-fault");
  } finally {
    at("orders").removeAttribute("aria-busy");
    at("refresh").disabled = false;
  }
}

async function showMore() {
  const [mine, page] = [round, pages.get(view.name)];
  at("more").disabled = true;
  try {
    const next = await readView(view, page.cursors);
    if (mine !== round) return;
    page.orders = [...page.orders, ...next.orders];
    page.cursors = next.cursors;
    show();
  } catch (error) {
    if (mine === round) fail(error, "list-fault");
  } finally {
    at("more").disabled = false;
  }
}

function show() {
  at("sign-in").hidden = true;
  at("board").hidden = at("tools").hidden = false;
  at("refreshed").replaceChildren("As of ", new Date().toLocaleTimeString("en-GB"));
  showProgram();
  showViews();
  showList();
}

function showProgram() {
  at("program").hidden = !program;
  if (program) at("program").replaceChildren(program.name, element("span", { className: `badge ${program.kind}` }, words(program.kind)));
  const paused = program?.orders_paused ? "The program's orders are paused: nothing is sent to a vendor." : "";
  say("warning", program ? paused : "This key may read, not decide: that needs the scope programs:admin.");
}

function showViews() {
  at("views").replaceChildren(
    ...VIEWS.map((one) => {
      const { orders, cursors } = pages.get(one.name);
      const count = `${orders.length}${Object.keys(cursors).length ? "+" : ""}`;
      const label = [element("span", { className: "count" }, count), " ", one.title];
      const button = element("button", { type: "button", onclick: () => turnTo(one) }, ...label);
      button.classList.toggle("waiting", one === VIEWS[0] && orders.length > 0);
      if (one === view) button.setAttribute("aria-current", "true");
      return element("li", {}, button);
    }),
  );
}

function turnTo(one) {
  [view, chosen] = [one, null];
  say("done", "");
  say("list-fault", "");
  show();
  at("views").querySelector("[aria-current]").focus();
}

function showList() {
  const { orders, cursors } = pages.get(view.name);
  const sorted = orders.toSorted((one, other) => (one.created_at < other.created_at ? 1 : -1));
  at("view-title").textContent = view.title;
  at("view-lead").textContent = view.lead;
  say("list-state", orders.length ? "" : view.empty);
  announce(`${view.title}: ${orders.length} ${orders.length === 1 ? "order" : "orders"}.`);
  at("list").replaceChildren(...sorted.map(row));
  at("more").hidden = Object.keys(cursors).length === 0;
  if (!orders.some((order) => order.id === chosen)) showNothing();
  else open(chosen);
}

function row(order) {
  const button = element(
    "button",
    { type: "button", onclick: () => open(order.id, true) },
    element("span", { className: "line" }, element("strong", {}, order.item_name), element("span", { className: "value" }, money(order.value))),
    element("span", { className: "line" }, element("span", {}, order.recipient_name), element("span", { className: "quiet" }, moment(order.updated_at))),
    element("span", { className: "why" }, reasonOf(order)),
  );
  button.dataset.order = order.id;
  return element("li", {}, button);
}

// -- One order ------------------------------------------------------------------------------------------------------

function showNothing() {
  chosen = null;
  const any = pages.get(view.name).orders.length > 0;
  at("order").hidden = !any;
  at("order").replaceChildren(element("p", { className: "placeholder" }, "Choose an order to see why it is here."));
}

async function open(id, byHand = false) {
  chosen = id;
  for (const button of at("list").querySelectorAll("button")) {
    if (button.dataset.order === id) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  at("order").hidden = false;
  at("order").setAttribute("aria-busy", "true");
  if (byHand) at("order").replaceChildren(element("p", { className: "placeholder", role: "status" }, "Loading the order…"));
  const mine = round;
  try {
    const order = await call(`orders/${encodeURIComponent(id)}`);
    if (mine === round && chosen === id) showOrder(order, byHand);
  } catch (error) {
    if (mine !== round || chosen !== id) return;
    at("order").replaceChildren(element("p", { id: "order-fault", className: "notice fault", role: "alert" }));
    fail(error, "order-fault");
  } finally {
    at("order").removeAttribute("aria-busy");
  }
}

function showOrder(order, byHand) {
  const title = element("h2", { tabIndex: -1 }, `${order.item_name}, ${money(order.value)}`);
  const explanation = REASONS[order.reason]?.[1];
  at("order").replaceChildren(
    element("div", { className: "title" }, title, badge(order.state)),
    element("p", { className: "reason" }, element("strong", {}, reasonOf(order)), explanation ?? ""),
    buttons(order),
    facts(order),
    element("h3", {}, "Evidence"),
    element("ol", { className: "steps" }, ...order.steps.map(step)),
  );
  if (byHand) title.focus();
}

function buttons(order) {
  const names = program ? (ALLOWED[order.state] ?? []) : [];
  const sensible = names.filter((name) => name !== "retry" || order.reason !== "by_hand");
  const made = sensible.map((name) =>
    element("button", { type: "button", className: ACTIONS[name].grave ? "grave" : "", onclick: () => ask(order, name) }, ACTIONS[name].label),
  );
  return element("div", { className: "buttons" }, ...made);
}

function facts(order) {
  const shown = [
    ["Recipient", `${order.recipient_name}, ${order.recipient_email}`],
    ["Value", money(order.value)],
    ["Price", points(order)],
    ["Delivery", `${words(order.delivery)}, by ${order.delivery_method}`],
    ["Ordered", moment(order.created_at)],
    ["Last change", moment(order.updated_at)],
    ["Order", code(order.id)],
    ["Order at the vendor", order.vendor_order_id ? code(order.vendor_order_id) : "none known"],
    ["Member", code(order.member_id)],
    ["Item", code(order.item)],
    ...(order.reward_id ? [["Reward", code(order.reward_id)]] : []),
    ...(order.reason ? [["Reason", code(order.reason)]] : []),
  ];
  return pairs("facts", shown);
}

function code(text) {
  return element("code", {}, text);
}

function pairs(className, shown) {
  return element("dl", { className }, ...shown.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

function step({ step: name, state, detail, actor, recorded_at }) {
  const told = Object.entries(detail).map(([about, value]) => [words(about), plain(value)]);
  return element(
    "li",
    {},
    element("div", { className: "line" }, element("strong", {}, words(name)), badge(state)),
    element("div", { className: "quiet" }, moment(recorded_at), " by ", code(actor)),
    pairs("told", told),
  );
}

function plain(value) {
  if (Array.isArray(value)) return value.map(plain).join("; ");
  return value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
}

// -- Deciding -------------------------------------------------------------------------------------------------------

function ask(order, name) {
  const action = ACTIONS[name];
  decision = { order, name, attempt: null };
  say("done", "");
  say("decision-fault", "");
  at("decision-title").textContent = action.title;
  at("decision-order").textContent = `${order.item_name}, ${money(order.value)}, for ${order.recipient_name}`;
  at("decision-effect").textContent = action.effect(order);
  at("note-label").textContent = action.note;
  at("note").value = "";
  at("decision-confirm").textContent = action.label;
  at("decision-confirm").classList.toggle("grave", Boolean(action.grave));
  at("decision").showModal();
  at("note").focus();
}

async function decide(event) {
  event.preventDefault();
  const mine = decision;
  const { order, name, attempt } = mine;
  const body = JSON.stringify({ action: name, note: at("note").value.trim() });
  // The same decision sent again, after an answer that was lost, is the same request.
  if (attempt?.body !== body) mine.attempt = { body, idempotencyKey: newIdempotencyKey() };
  at("decision-confirm").disabled = true;
  say("decision-fault", "");
  try {
    await call(`orders/${encodeURIComponent(order.id)}/resolve`, body, mine.attempt.idempotencyKey);
    if (decision === mine) at("decision").close();
    const done = `${order.item_name}, ${money(order.value)}, for ${order.recipient_name} ${ACTIONS[name].done}`;
    say("done", done);
    await refresh();
    at("view-title").focus();
    announce(done);
  } catch (error) {
    if (decision === mine) fail(error, "decision-fault");
  } finally {
    at("decision-confirm").disabled = false;
  }
}

at("sign-in").addEventListener("submit", signIn);
at("sign-out").addEventListener("click", () => signOut());
at("refresh").addEventListener("click", refresh);
at("more").addEventListener("click", showMore);
at("decision-form").addEventListener("submit", decide);
at("decision-cancel").addEventListener("click", () => at("decision").close());
// What was refused may have been decided elsewhere meanwhile.
at("decision").addEventListener("close", () => at("decision-fault").hidden || refresh());
// A page that the browser keeps for "back" must not keep the key.
addEventListener("pagehide", () => signOut());
signOut();
