// The page's state and what changes it: a user is chosen, the history edited, the model changed.

import { ask, recommend } from "./api.js";
import { element, itemLabel } from "./elements.js";
import { showStages, shownIds } from "./stages.js";

const HISTORY_SHOWN = 10;
const TYPING_PAUSE_MS = 150;

const byId = (id) => document.getElementById(id);
/** history and targets are [{id, title}], the latest first. */
const state = { user: { id: "", known: false }, history: [], targets: [] };

/** Returns a function that runs `task` and shows how it failed; of a task begun anew only the last counts. */
function latest(task) {
  let last = 0;
  return async (...values) => {
    const mine = ++last;
    byId("error").textContent = "";
    try {
      await task(() => mine === last, ...values);
    } catch (error) {
      if (mine === last) {
        byId("error").textContent = error.message;
      }
    }
  };
}

/** Returns a function that calls `task` once no more calls have come for a moment. */
function afterPause(task) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(task, TYPING_PAUSE_MS);
  };
}

const showUser = latest(async (isLast, id) => {
  const found = await ask("user", [["id", id]]);
  if (!isLast()) {
    return;
  }
  byId("user").value = id;
  Object.assign(state, { user: found, history: found.history, targets: found.targets });
  showHistory();
  await showAnswer();
});

const showAnswer = latest(async (isLast) => {
  const model = byId("model").value;
  rememberInAddress(model);
  if (!model) {
    throw new Error("No served model has the signatures retrieve, rank and serving_default.");
  }
  byId("status").textContent = "Asking the model …";
  try {
    const oldestFirst = state.history.map((item) => item.id).reverse();
    const answer = await recommend(model, state.user.id, oldestFirst);
    const { items } = await ask("titles", shownIds(answer).map((id) => ["id", id]));
    if (isLast()) {
      byId("answer").hidden = false;
      const targets = new Set(state.targets.map((item) => item.id));
      showStages(answer, new Map(items.map((item) => [item.id, item.title])), targets);
      showTargets(answer);
      byId("status").textContent = `Recommendations for ${state.user.id ? `user ${state.user.id}` : "a new user"}.`;
    }
  } catch (error) {
    if (isLast()) {
      byId("answer").hidden = true;
      byId("status").textContent = "";
    }
    throw error;
  }
});

const suggestUsers = latest(async (isLast) => {
  const { users } = await ask("users", [["prefix", byId("user").value]]);
  if (isLast()) {
    byId("users").replaceChildren(...users.map(({ id, items }) => element("option", { value: id }, `${items} items`)));
  }
});

const search = latest(async (isLast) => {
  const query = byId("search").value;
  const { items } = query ? await ask("items", [["query", query]]) : { items: [] };
  if (isLast()) {
    byId("found-note").textContent = query ? `Found: ${items.length || "nothing"}` : "";
    byId("found").replaceChildren(
      ...items.map((item) => {
        const button = element("button", { type: "button" }, ...itemLabel(item));
        button.addEventListener("click", () => add(item));
        return element("li", {}, button);
      }),
    );
  }
});

function add(item) {
  state.history = [item, ...state.history.filter((other) => other.id !== item.id)];
  byId("search").value = "";
  byId("search").focus();
  search();
  showHistory();
  showAnswer();
}

function remove(item) {
  state.history = state.history.filter((other) => other !== item);
  showHistory();
  byId("history-heading").focus();
  showAnswer();
}

function showHistory() {
  const { user, history } = state;
  const notes = [];
  if (!user.known) {
    notes.push(user.id ? "This user is not in the data." : "A user the models do not know.");
  }
  notes.push(history.length ? `${history.length} items, latest first.` : "No items: the answer is what is popular.");
  byId("history-note").textContent = notes.join(" ");
  const rows = history.map((item) => {
    const button = element("button", { type: "button", class: "remove", "aria-label": `Remove ${item.title}` }, "×");
    button.addEventListener("click", () => remove(item));
    return element("li", {}, ...itemLabel(item), " ", button);
  });
  byId("history").replaceChildren(...rows.slice(0, HISTORY_SHOWN));
  byId("earlier").hidden = rows.length <= HISTORY_SHOWN;
  byId("earlier-summary").textContent = `${rows.length - HISTORY_SHOWN} earlier`;
  byId("earlier-items").start = HISTORY_SHOWN + 1;
  byId("earlier-items").replaceChildren(...rows.slice(HISTORY_SHOWN));
  byId("targets-part").hidden = true;
}

function showTargets(answer) {
  const placeIn = (items, id) => items.findIndex((item) => item.id === id) + 1;
  byId("targets-part").hidden = !state.targets.length;
  byId("targets").replaceChildren(
    ...state.targets.map((item) => {
      const place = placeIn(answer.retrieved, item.id);
      const places = `retriever's place ${place}, ranker's place ${placeIn(answer.ranked, item.id)}`;
      return element("li", {}, ...itemLabel(item), `: ${place ? places : "not among the candidates"}`);
    }),
  );
}

/** A link to this page shows the same user and model. */
function rememberInAddress(model) {
  const parameters = new URLSearchParams([["user", state.user.id], ["model", model]]);
  history.replaceState(null, "", `?${parameters}`);
}

async function start() {
  const { models } = await ask("models");
  const wanted = new URLSearchParams(location.search);
  byId("model").replaceChildren(...models.map((name) => element("option", { value: name }, name)));
  if (models.includes(wanted.get("model"))) {
    byId("model").value = wanted.get("model");
  }
  suggestUsers();
  await showUser(wanted.get("user") ?? (await ask("users")).users[0]?.id ?? "");
}

byId("user-form").addEventListener("submit", (event) => {
  event.preventDefault();
  showUser(byId("user").value);
});
byId("random").addEventListener("click", latest(async () => showUser((await ask("random_user")).id ?? "")));
byId("newcomer").addEventListener("click", () => showUser(""));
byId("model").addEventListener("change", () => showAnswer());
byId("user").addEventListener("input", afterPause(suggestUsers));
byId("search").addEventListener("input", afterPause(search));
byId("search-form").addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
latest(start)();
