// What the page asks the server: users and titles of the demo's endpoints, recommendations of the REST API.

/** Returns the answer of a demo endpoint; `parameters` are pairs of name and value. */
export async function ask(endpoint, parameters = []) {
  return read(await fetch(`api/${endpoint}?${new URLSearchParams(parameters)}`));
}

/**
 * Asks a model for both stages, one call after the other so that none slows another down.
 *
 * `history` is item ids, oldest first. Returns
 *   retrieved: [{id, score}], the first stage's order
 *   ranked: [{id, score}], the same items in the second stage's order
 *   served: [id], what one call through both stages answers
 *   milliseconds: {retrieve, rank, serving_default}
 */
export async function recommend(model, userId, history) {
  // A list without any element has no type; the empty id is padding.
  const context = { user_id: [userId], history: [history.length ? history : [""]] };
  const first = await predict(model, "retrieve", context);
  const retrieved = first.outputs.item_id[0]
    .map((id, place) => ({ id, score: first.outputs.score[0][place] }))
    .filter((item) => item.id !== "");
  const ids = retrieved.map((item) => item.id);
  const second = await predict(model, "rank", { ...context, candidate_id: [ids] });
  const both = await predict(model, "serving_default", context);
  return {
    retrieved,
    // Sorting is stable, so equal scores keep the retriever's order, as in the served model.
    ranked: ids.map((id, place) => ({ id, score: second.outputs[0][place] })).sort((a, b) => b.score - a.score),
    served: both.outputs.item_id[0].filter((id) => id !== ""),
    milliseconds: {
      retrieve: first.milliseconds,
      rank: second.milliseconds,
      serving_default: both.milliseconds,
    },
  };
}

async function predict(model, signature, inputs) {
  const started = performance.now();
  const response = await fetch(`../v1/models/${encodeURIComponent(model)}:predict`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ signature_name: signature, inputs }),
  });
  const { outputs } = await read(response);
  return { outputs, milliseconds: performance.now() - started };
}

async function read(response) {
  const body = await response.json();
  if (!response.ok) {
    throw new Error(body.error);
  }
  return body;
}
