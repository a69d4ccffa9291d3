// The page of one member's points: who it is comes in the address's fragment, which no browser sends to a server
// (`#member=mem_...&token=lrl_member_...`), or is typed in.

const points = document.querySelector("laurel-points");
const form = document.getElementById("sign-in");
const shown = document.getElementById("shown");
const fault = document.getElementById("fault");

function show(member, token) {
  points.setAttribute("member", member);
  points.setAttribute("token", token);
  form.hidden = true;
  shown.hidden = false;
}

function ask(ended) {
  fault.hidden = !ended;
  form.hidden = false;
  shown.hidden = true;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  show(form.elements.member.value.trim(), form.elements.token.value.trim());
  form.elements.token.value = "";
});
points.addEventListener("laurel-token-ended", () => ask(true));

const given = new URLSearchParams(location.hash.slice(1));
history.replaceState(null, "", location.pathname); // nobody who looks at the address or its history sees the token
if (given.has("member") && given.has("token")) show(given.get("member"), given.get("token"));
else ask(false);
