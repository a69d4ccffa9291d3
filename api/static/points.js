// <laurel-points>: what a member has, as it changes. A page shows it with
//
//   <script src="https://laurel.example.com/points/points.js"></script>
//   <laurel-points member="mem_..." token="lrl_member_..."></laurel-points>
//
// The balance comes over a WebSocket, else as server-sent events, else by asking now and then: whichever works first. When
// the token has ended the element fires `laurel-token-ended` and waits for another one in its attribute. What the server
// tells is written as text, never as markup, and the token stays in the element.

(() => {
  // The addresses of the API are found beside this file, under any prefix that a proxy adds.
  const SERVER = new URL("../", document.currentScript.src);
  const SUBPROTOCOL = "laurel.balance";
  const OPEN_MILLISECONDS = 5_000; // a door that has told nothing by then is passed by
  const SILENT_MILLISECONDS = 45_000; // three heartbeats of a stream
  const POLL_MILLISECONDS = 5_000;
  const POLLS = 12; // then the better doors are tried again
  const FIRST_PAUSE_MILLISECONDS = 500;
  const LONGEST_PAUSE_MILLISECONDS = 30_000;

  const STATES = {
    waiting: "Waiting for your balance",
    socket: "Live",
    events: "Live",
    poll: "Looked up every few seconds",
    away: "Out of reach; this is what was known last",
    ended: "Not signed in any more",
  };

  const STYLE = new CSSStyleSheet();
  STYLE.replaceSync(`
    :host { position: relative; display: inline-grid; gap: .1em; font: inherit; color: inherit; min-inline-size: 9ch; }
    :host([hidden]) { display: none; }
    .line { display: flex; align-items: baseline; gap: .35em; }
    .amount { font-size: 2.25em; font-weight: 650; line-height: 1.1; font-variant-numeric: tabular-nums; }
    .amount.changed { animation: changed 1.2s ease-out; }
    .more { font-size: .8125em; opacity: .75; }
    .more:empty { display: none; }
    .state { align-self: center; inline-size: .55em; block-size: .55em; border-radius: 50%; background: #8a958f; }
    .state[data-state="socket"], .state[data-state="events"], .state[data-state="poll"] { background: #2c9a68; }
    .state[data-state="away"], .state[data-state="ended"] { background: #c98a14; }
    .said { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); }
    @keyframes changed { from { color: #2c9a68; transform: scale(1.06); } }
    @media (prefers-reduced-motion: reduce) { .amount.changed { animation: none; } }
  `);

  /** The credential opens this no longer, and no other door either. */
  class Ended extends Error {}

  class LaurelPoints extends HTMLElement {
    static observedAttributes = ["member", "token", "unit"];

    #balance = null;
    #following = null; // what stops the doors that are open
    #parts = {};

    constructor() {
      super();
      const root = this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [STYLE];
      const line = append(root, "div", "line");
      this.#parts.amount = append(line, "span", "amount");
      this.#parts.unit = append(line, "span", "unit");
      this.#parts.state = append(line, "span", "state");
      this.#parts.more = append(root, "div", "more");
      this.#parts.said = append(root, "span", "said");
      this.#parts.said.setAttribute("role", "status");
      this.#parts.amount.textContent = "–";
    }

    connectedCallback() {
      this.#start();
      // A line that died while nobody looked is not always told of.
      addEventListener("online", this.#start);
      document.addEventListener("visibilitychange", this.#returned);
    }

    disconnectedCallback() {
      this.#following?.abort();
      removeEventListener("online", this.#start);
      document.removeEventListener("visibilitychange", this.#returned);
    }

    attributeChangedCallback(name, before, after) {
      if (before === after) return;
      if (name !== "token") this.#balance = null;
      if (this.isConnected) this.#start();
    }

    #returned = () => {
      if (document.visibilityState === "visible") this.#start();
    };

    #start = () => {
      this.#following?.abort();
      if (!this.getAttribute("member") || !this.getAttribute("token")) return;
      this.#following = new AbortController();
      this.#follow(this.#following.signal);
    };

    async #follow(signal) {
      let failures = 0;
      this.#say(this.#balance ? "away" : "waiting");
      while (!signal.aborted) {
        try {
          const worked = (await this.#socket(signal)) || (await this.#events(signal)) || (await this.#poll(signal));
          failures = worked ? 0 : failures + 1;
        } catch (error) {
          if (signal.aborted) return;
          if (!(error instanceof Ended)) throw error;
          this.#say("ended");
          this.dispatchEvent(new CustomEvent("laurel-token-ended", { bubbles: true, composed: true }));
          return;
        }
        if (signal.aborted) return;
        this.#say(this.#balance ? "away" : "waiting");
        const longest = Math.min(LONGEST_PAUSE_MILLISECONDS, FIRST_PAUSE_MILLISECONDS * 2 ** failures);
        await pause(longest * (0.5 + Math.random() / 2), signal); // not all pages at once after a restart
      }
    }

    // -- Doors: each follows the balance for as long as it works, and says whether it ever did -----------------------

    #socket(signal) {
      const address = this.#address("/socket");
      address.protocol = address.protocol.replace("http", "ws");
      if (this.#balance) address.searchParams.set("last_event_id", this.#balance.version);
      return new Promise((resolve, reject) => {
        let worked = false;
        const line = new WebSocket(address, [SUBPROTOCOL, this.getAttribute("token")]);
        const late = setTimeout(() => line.close(), OPEN_MILLISECONDS);
        signal.addEventListener("abort", () => line.close(), { once: true });
        line.onopen = () => {
          clearTimeout(late);
          worked = true;
          if (!signal.aborted) this.#say("socket");
        };
        line.onmessage = (message) => {
          if (!signal.aborted) this.#show(JSON.parse(message.data).data);
        };
        line.onclose = ({ code }) => {
          clearTimeout(late);
          if (code === 4401 || code === 4403) reject(new Ended());
          else resolve(worked);
        };
      });
    }

    async #events(signal) {
      const silent = new AbortController();
      const either = AbortSignal.any([signal, silent.signal]);
      let watchdog = setTimeout(() => silent.abort(), OPEN_MILLISECONDS);
      let worked = false;
      try {
        const known = this.#balance ? { "Last-Event-ID": String(this.#balance.version) } : {};
        const answer = await this.#ask(this.#address("/stream"), known, either);
        if (!answer.ok) return false;
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let text = ""; ; ) {
          const { value, done } = await reader.read();
          if (done) return worked;
          this.#say("events"); // no proxy holds it up
          clearTimeout(watchdog);
          watchdog = setTimeout(() => silent.abort(), SILENT_MILLISECONDS);
          worked = true;
          const events = (text + value).split("\n\n");
          text = events.pop();
          for (const event of events) {
            const data = event.split("\n").find((line) => line.startsWith("data: "));
            if (data) this.#show(JSON.parse(data.slice(6)));
          }
        }
      } catch (error) {
        if (error instanceof Ended) throw error;
        return worked;
      } finally {
        clearTimeout(watchdog);
        silent.abort();
      }
    }

    async #poll(signal) {
      let tag = null;
      for (let polled = 0; polled < POLLS && !signal.aborted; polled++) {
        try {
          const answer = await this.#ask(this.#address(""), tag ? { "If-None-Match": tag } : {}, signal);
          if (answer.status !== 200 && answer.status !== 304) return polled > 0;
          if (answer.status === 200) {
            tag = answer.headers.get("ETag");
            this.#show(await answer.json());
          }
          this.#say("poll");
        } catch (error) {
          if (error instanceof Ended) throw error;
          return polled > 0;
        }
        await pause(POLL_MILLISECONDS, signal);
      }
      return true;
    }

    #address(door) {
      const address = new URL(`v1/members/${encodeURIComponent(this.getAttribute("member"))}/balance${door}`, SERVER);
      address.searchParams.set("unit", this.#unit());
      return address;
    }

    async #ask(address, headers, signal) {
      const authorization = { Authorization: `Bearer ${this.getAttribute("token")}` };
      const answer = await fetch(address, { headers: { ...authorization, ...headers }, cache: "no-store", signal });
      if (answer.status === 401 || answer.status === 403) throw new Ended();
      return answer;
    }

    // -- What is seen ------------------------------------------------------------------------------------------------

    #unit() {
      return this.getAttribute("unit") || "points";
    }

    #show(balance) {
      const { amount, unit, more, said } = this.#parts;
      const number = new Intl.NumberFormat(language()).format(balance.available);
      if (this.#balance && this.#balance.available !== balance.available) {
        amount.classList.remove("changed");
        void amount.offsetWidth; // or the browser would not begin the animation again
        amount.classList.add("changed");
      }
      amount.textContent = number;
      unit.textContent = this.getAttribute("label") || this.#unit();
      more.textContent = lapse(balance);
      said.textContent = `${number} ${unit.textContent}`;
      this.#balance = balance;
      this.dispatchEvent(new CustomEvent("laurel-balance", { detail: balance, bubbles: true, composed: true }));
    }

    #say(state) {
      this.dataset.state = state;
      this.#parts.state.dataset.state = state;
      this.#parts.state.title = STATES[state];
    }
  }

  function append(parent, tag, name) {
    const element = document.createElement(tag);
    element.className = name;
    element.setAttribute("part", name);
    return parent.appendChild(element);
  }

  function language() {
    return document.documentElement.lang || undefined;
  }

  function lapse(balance) {
    if (!balance.next_expiry_at) return "";
    const day = new Intl.DateTimeFormat(language(), { dateStyle: "medium" }).format(new Date(balance.next_expiry_at));
    return `${new Intl.NumberFormat(language()).format(balance.next_expiry_amount)} lapse on ${day}`;
  }

  function pause(milliseconds, signal) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
    });
  }

  customElements.define("laurel-points", LaurelPoints);
})();
