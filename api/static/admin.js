// The link's text is after the # of the address, where no server sees it: it goes into the form, and out of the address.
const link = document.querySelector("#enter #link");
if (link && location.hash.length > 1) {
  link.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}
