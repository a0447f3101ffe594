// Builds elements. Texts of the data only ever become text nodes and attribute values, so no title is read as HTML.

/** Returns an element with attributes and children; a child is an element or a text. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Returns what shows an item: its title, and its id where that is something else. */
export function itemLabel(item) {
  const title = element("span", { class: "title", dir: "auto" }, item.title);
  return item.title === item.id ? [title] : [title, " ", element("span", { class: "id" }, item.id)];
}
