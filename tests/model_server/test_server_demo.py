"""The demo page: what it reads, its endpoints on a real server, and itself in a real browser."""

import collections
import pathlib
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence

import pytest
import tensorflow as tf

from model_server import __main__ as command
from model_server.demo.examples import read_examples
from model_server.demo.store import Store
from modules import names
from modules.data.examples import encoding
from modules.data.examples.splitting import Split
from tests.model_server import server_process
from tests.model_server.browser import Page, open_page

ITEMS = 30
CANDIDATES = 25
ANSWERED = 5
IDS = [f"i{number:02}" for number in range(ITEMS)]
SCRIPT = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
TITLES = {item: f"Film {item}" for item in IDS} | {"i29": SCRIPT, "i28": "Amélie & Co", "i03": ""}
# Oldest first.
HISTORY = IDS[:12]
TARGET = "i20"
REFUSED = "refused"
ODD_USER = "ann/../ü 1%&?"
PHONE, DESKTOP = (390, 844), (1280, 900)


def second_score(number: int) -> int:
    """The ranker's score of an item, less the number of the latest of the history; the retriever's is its number."""
    return number * 7 % 31


class TwoStages(tf.Module):
    """Signatures as of the pipeline's export, over a corpus of `ITEMS` items."""

    _context = (
        tf.TensorSpec([None], tf.string, name="user_id"),
        tf.TensorSpec([None, None], tf.string, name="history"),
    )

    def __init__(self) -> None:
        super().__init__()
        self._ids = tf.constant(IDS)

    @tf.function(input_signature=_context)
    def retrieve(self, user_id: tf.Tensor, history: tf.Tensor) -> dict[str, tf.Tensor]:
        check = tf.debugging.Assert(tf.reduce_all(user_id != REFUSED), ["this user is refused"])
        with tf.control_dependencies([check]):
            seen = tf.reduce_any(history[:, :, None] == self._ids, 1)
        scores = tf.where(seen, tf.float32.min, tf.range(ITEMS, dtype=tf.float32))
        best, numbers = tf.math.top_k(scores, CANDIDATES)
        return {"item_id": tf.where(best < 0, "", tf.gather(self._ids, numbers)), "score": best}

    @tf.function(input_signature=(*_context, tf.TensorSpec([None, None], tf.string, name="candidate_id")))
    def rank(self, user_id: tf.Tensor, history: tf.Tensor, candidate_id: tf.Tensor) -> dict[str, tf.Tensor]:
        numbers = tf.argmax(candidate_id[:, :, None] == self._ids, 2)
        # It tells which end of the history is the latest.
        latest = tf.argmax(history[:, -1:] == self._ids, 1)
        return {"score": tf.cast(second_score(numbers) + latest[:, None], tf.float32)}

    @tf.function(input_signature=_context)
    def serve(self, user_id: tf.Tensor, history: tf.Tensor) -> dict[str, tf.Tensor]:
        found = self.retrieve(user_id, history)["item_id"]
        best, places = tf.math.top_k(self.rank(user_id, history, found)["score"], ANSWERED)
        return {"item_id": tf.gather(found, places, batch_dims=1), "score": best}


@pytest.fixture(scope="module")
def examples_folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("examples")
    users = {"ann": (HISTORY, [TARGET]), "bob": (["i05"], ["i06"]), ODD_USER: (["i07", "gone"], ["i08"])}
    made = (
        encoding.user_examples(user, Split(history[:-1], history[-1:], target), {}, collections.defaultdict(dict))
        for user, (history, target) in users.items()
    )
    write(folder, names.TEST, [of_user[names.TEST] for of_user in made])
    counts = range(ITEMS)
    catalog = [encoding.item_example(item, count, TITLES[item], {}) for item, count in zip(IDS, counts, strict=True)]
    write(folder, names.CATALOG, catalog[:20], part=0)
    write(folder, names.CATALOG, catalog[20:], part=1)
    return folder


def write(folder: pathlib.Path, split: str, records: Sequence[bytes], part: int = 0) -> None:
    """Writes a file of a split as the ExampleGen does."""
    path = folder / f"Split-{split}"
    path.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path / f"data_tfrecord-{part:05}-of-00002.gz"), "GZIP") as writer:
        for record in records:
            writer.write(record)


@pytest.fixture(scope="module")
def client(
    examples_folder: pathlib.Path, library: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[server_process.Client]:
    folder = tmp_path_factory.mktemp("demo")
    model = TwoStages()
    signatures = {"retrieve": model.retrieve, "rank": model.rank, "serving_default": model.serve}
    tf.saved_model.save(model, f"{folder}/models/films/1", signatures)
    flags = [f"--model_base_path={folder}/models", "--model", f"linear={folder}/linear"]
    (folder / "linear").mkdir()
    (folder / "linear/1").symlink_to(library / "half_plus_two")
    with server_process.serving(folder / "log", *flags, f"--demo_examples={examples_folder}") as server:
        yield server.client
        assert "Traceback" not in server.log()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with open_page(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(browser: Page, client: server_process.Client) -> Page:
    """The page, of the user ann, on a desktop."""
    browser.resize(*DESKTOP)
    browser.open("about:blank")
    browser.problems.clear()
    open_user(browser, client, "ann")
    return browser


def open_user(page: Page, client: server_process.Client, user: str) -> None:
    page.open(f"http://127.0.0.1:{client.port}/demo/?{urllib.parse.urlencode({'user': user})}")
    page.wait_for(f"document.getElementById('status').textContent == 'Recommendations for user {user}.'")


def ask(client: server_process.Client, endpoint: str, **parameters: str) -> dict:
    reply = client.send("GET", f"/demo/api/{endpoint}?{urllib.parse.urlencode(parameters)}")
    assert (reply.status, reply.content_type) == (200, "application/json")
    return reply.json()


def item(item_id: str) -> dict[str, str]:
    return {"id": item_id, "title": TITLES.get(item_id) or item_id}


def retrieved(history: Sequence[str]) -> list[str]:
    return [i for i in reversed(IDS) if i not in history][:CANDIDATES]


def ranked(history: Sequence[str]) -> list[str]:
    return sorted(retrieved(history), key=lambda i: -second_score(IDS.index(i)))


def texts(page: Page, selector: str) -> list[str]:
    return page.run(f"[...document.querySelectorAll({selector!r})].map((element) => element.textContent)")


def rows(page: Page, table: str) -> list[str]:
    """Returns the ids of a stage's rows."""
    return page.run(f"[...document.querySelectorAll('#{table} tbody tr')].map((row) => row.dataset.id)")


def wait_for_rows(page: Page, table: str, ids: Sequence[str]) -> None:
    page.wait_for(
        f"[...document.querySelectorAll('#{table} tbody tr')].map((row) => row.dataset.id).join() == {','.join(ids)!r}"
    )


# Reading.


def test_store_finds_users_by_prefix(examples_folder: pathlib.Path):
    store = read_examples(str(examples_folder))
    assert store.counts() == (3, ITEMS)
    assert [user.id for user in store.users("", 20)] == ["ann", ODD_USER, "bob"]
    assert store.users("an", 1) == [("ann", len(HISTORY))]
    assert store.users("ANN", 20) == []
    assert store.users("%", 20) == []
    assert {store.random_user() for _ in range(50)} == {"ann", "bob", ODD_USER}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("amelie", ["i28"]),
        ("CO amé", ["i28"]),
        ("i1", [f"i{number}" for number in range(19, 9, -1)]),
        ("i17", ["i17"]),
        ("i03", ["i03"]),
        ("script", ["i29"]),
        ("film i2", [f"i{number}" for number in range(27, 19, -1)]),
        ("nothing of the kind", []),
        ("", []),
        ("  ", []),
        ('"', []),
        ("_ * ^ NEAR(", []),
        ("% _", []),
        ("\0", []),
    ],
)
def test_store_finds_items_by_words_and_id_popular_first(
    examples_folder: pathlib.Path, query: str, found: Sequence[str]
):
    assert [item.id for item in read_examples(str(examples_folder)).items(query, 20)] == found


def test_empty_store_has_nothing():
    store = Store()
    assert store.random_user() is None
    assert store.users("", 20) == []
    assert store.user("ann") is None
    assert store.titled(["i01"]) == [("i01", "i01")]


def without_ids(folder: pathlib.Path) -> None:
    write(folder, names.CATALOG, [encoding.make_example({names.ITEM_TITLE: [b"no id"]})])


def not_utf8(folder: pathlib.Path) -> None:
    write(folder, names.CATALOG, [encoding.make_example({names.ITEM_ID: [b"\xff"]})])


def not_records(folder: pathlib.Path) -> None:
    (folder / "Split-catalog").mkdir()
    (folder / "Split-catalog/data.gz").write_bytes(b"not gzip")


def not_examples(folder: pathlib.Path) -> None:
    write(folder, names.CATALOG, [b"not a tf.Example"])


def no_users(folder: pathlib.Path) -> None:
    write(folder, names.CATALOG, [encoding.item_example("i01", 1, "", {})])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: None, "with files Split-catalog/*. Received: "),
        (no_users, "with files Split-test/*. Received: "),
        (without_ids, "a record without item_id"),
        (not_utf8, "can't decode byte 0xff"),
        (not_records, "as it wrote them. Received: "),
        (not_examples, "Error parsing message"),
    ],
)
def test_wrong_examples_end_the_server_with_one_line(
    spoil: object, message: str, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
):
    spoil(tmp_path)
    assert command.main(["--model", "a=x", "--port", "0", "--demo_examples", str(tmp_path)]) == 2
    assert "`demo_examples` must " in caplog.text
    assert message in caplog.text
    assert str(tmp_path) in caplog.text


# Endpoints.


def test_endpoints_answer_users_and_titles(client: server_process.Client):
    assert ask(client, "models") == {"models": ["films"]}
    assert ask(client, "users", prefix="b") == {"users": [{"id": "bob", "items": 1}]}
    assert ask(client, "random_user")["id"] in ("ann", "bob", ODD_USER)
    assert ask(client, "items", query="amel") == {"items": [item("i28")]}
    titles = client.send("GET", "/demo/api/titles?id=i29&id=gone&id=i03&id=i29").json()
    assert titles == {"items": [item("i29"), item("gone"), item("i03"), item("i29")]}


def test_user_has_history_latest_first_and_targets(client: server_process.Client):
    ann = {"known": True, "history": [item(i) for i in reversed(HISTORY)], "targets": [item(TARGET)]}
    assert ask(client, "user", id="ann") == {"id": "ann"} | ann
    odd = {"known": True, "history": [item("gone"), item("i07")], "targets": [item("i08")]}
    assert ask(client, "user", id=ODD_USER) == {"id": ODD_USER} | odd


@pytest.mark.parametrize("user", ["", "nobody", "' OR 1=1 --", "\0", "x" * 10_000])
def test_unknown_user_has_nothing(client: server_process.Client, user: str):
    assert ask(client, "user", id=user) == {"id": user, "known": False, "history": [], "targets": []}


def test_too_many_titles_are_refused(client: server_process.Client):
    reply = client.send("GET", "/demo/api/titles?" + "id=a&" * 201)
    assert (reply.status, reply.json()["error"]) == (400, "`id` must be given at most 200 times. Received: 201.")


def test_page_is_where_it_should_and_nothing_else_is(client: server_process.Client, server: server_process.Server):
    assert client.send("GET", "/demo").status == 307
    assert client.send("GET", "/demo/").content_type == "text/html; charset=utf-8"
    for path in ("../store.py", "..%2fstore.py", "%2e%2e/store.py", "missing.js", "api/", "api/missing"):
        assert client.send("GET", f"/demo/{path}").status == 404
    # The API is not changed by it, and without the flag there is none.
    assert client.call("linear:predict", instances=[2.0]).json() == {"predictions": [3.0]}
    assert client.send("GET", "/else").body == server.client.send("GET", "/else").body
    assert server.client.send("GET", "/demo/").status == 404


# The page.


def test_page_shows_history_and_both_stages(page: Page):
    assert texts(page, "#history .title") == [f"Film {i}" if i != "i03" else "i03" for i in HISTORY[:1:-1]]
    assert texts(page, "#earlier-summary") == ["2 earlier"]
    assert page.run("document.getElementById('earlier-items').start") == 11
    first, second = retrieved(HISTORY), ranked(HISTORY)
    assert (rows(page, "retrieved"), rows(page, "ranked")) == (first[:20], second[:20])
    expected = []
    for place, i in enumerate(second[:20], 1):
        up = first.index(i) + 1 - place
        way = f"▲ {up}, the ranker moves it up by {up}" if up > 0 else f"▼ {-up}, the ranker moves it down by {-up}"
        score = second_score(IDS.index(i)) + IDS.index(HISTORY[-1])
        expected.append([f"{place}", f"{score}.000", f"{first.index(i) + 1} {way if up else '='}"])
    shown = texts(page, "#ranked tbody td")
    assert [shown[start : start + 3] for start in range(0, len(shown), 3)] == expected
    assert texts(page, "caption")[0] == f"Retriever: {min(20, len(first))} of {len(first)} candidates"
    assert texts(page, "#served-note") == [f"One call through both stages answers the ranker's first {ANSWERED}."]
    assert texts(page, "#times code") == ["retrieve", "rank", "serving_default"]
    assert all(float(text.removesuffix(" ms")) > 0 for text in texts(page, "#times dd"))
    hits = page.run("[...document.querySelectorAll('tbody .hit')].map((hit) => hit.closest('tr').dataset.id)")
    assert hits == [TARGET, TARGET]
    places = f"retriever's place {first.index(TARGET) + 1}, ranker's place {second.index(TARGET) + 1}"
    assert texts(page, "#targets li") == [f"Film {TARGET} {TARGET}: {places}"]
    assert page.run("document.querySelectorAll('#lines path').length") == len(set(first[:20]) & set(second[:20]))
    assert page.problems == []


def test_title_is_text_whatever_it_holds(page: Page):
    blocked = page.run(
        "new Promise((done) => { const tag = document.createElement('script'); tag.onerror = () => done(true);"
        " tag.onload = () => done(false); tag.src = 'data:text/javascript,1'; document.head.append(tag); })"
    )
    assert blocked, "the content security policy must let no other script run"
    page.problems.clear()
    page.run("document.getElementById('search').focus()")
    page.type("script")
    page.wait_for("document.querySelectorAll('#found button').length == 1")
    page.run("document.querySelector('#found button').click()")
    page.wait_for("document.querySelector('#history .title').textContent.startsWith('<script>')")
    wait_for_rows(page, "retrieved", retrieved([*HISTORY, "i29"])[:20])
    assert texts(page, "#history .title")[0] == SCRIPT
    assert page.run("document.querySelectorAll('main script, main img').length") == 0
    assert page.run("window.hacked ?? null") is None
    assert page.problems == []


def test_keyboard_is_enough(page: Page):
    page.run("document.getElementById('user').focus()")
    page.run("document.getElementById('user').select()")
    page.type("bob")
    page.press("Enter", 13)
    wait_for_rows(page, "ranked", ranked(["i05"])[:20])
    assert page.run("new URLSearchParams(location.search).get('user')") == "bob"
    page.run("document.getElementById('search').focus()")
    page.type("amelie")
    page.wait_for("document.querySelectorAll('#found button').length == 1")
    page.press("Tab", 9)
    assert page.run("document.activeElement.textContent") == "Amélie & Co i28"
    page.press("Enter", 13)
    wait_for_rows(page, "ranked", ranked(["i05", "i28"])[:20])
    assert page.run("document.activeElement.id") == "search"
    assert texts(page, "#history .title") == ["Amélie & Co", "Film i05"]
    page.run("document.querySelector('#history .remove').focus()")
    page.press("Enter", 13)
    wait_for_rows(page, "ranked", ranked(["i05"])[:20])
    assert page.run("document.activeElement.id") == "history-heading"
    assert page.problems == []


def test_completion_offers_users(page: Page):
    page.run("document.getElementById('user').select()")
    page.type("a")
    page.wait_for("document.querySelectorAll('#users option').length == 2")
    offered = page.run("[...document.querySelectorAll('#users option')].map((o) => [o.value, o.textContent])")
    assert offered == [["ann", "12 items"], [ODD_USER, "2 items"]]
    page.run("document.getElementById('random').click()")
    page.wait_for("document.getElementById('user').value != 'a'")
    assert page.problems == []


def test_new_user_starts_from_nothing(page: Page):
    page.run("document.getElementById('newcomer').click()")
    wait_for_rows(page, "retrieved", retrieved([])[:20])
    page.wait_for("document.getElementById('status').textContent == 'Recommendations for a new user.'")
    assert texts(page, "#history-note") == ["A user the models do not know. No items: the answer is what is popular."]
    assert page.run("document.getElementById('targets-part').checkVisibility()") is False
    assert texts(page, ".hit") == ["came next"]
    assert page.problems == []


def test_user_of_any_name_is_shown(page: Page, client: server_process.Client):
    open_user(page, client, ODD_USER)
    assert texts(page, "#history .title") == ["gone", "Film i07"]
    open_user(page, client, "<b>nobody</b>")
    assert texts(page, "#history-note")[0].startswith("This user is not in the data.")
    assert page.problems == []


def test_error_of_the_model_is_told(page: Page):
    page.run("document.getElementById('user').select()")
    page.type(REFUSED)
    page.press("Enter", 13)
    page.wait_for("document.getElementById('error').textContent.includes('this user is refused')")
    assert page.run("document.getElementById('answer').checkVisibility()") is False
    page.run("document.getElementById('newcomer').click()")
    wait_for_rows(page, "retrieved", retrieved([])[:20])
    assert texts(page, "#error") == [""]
    assert page.run("document.getElementById('answer').checkVisibility()") is True


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_page_fits_and_can_be_read(page: Page, size: tuple[int, int], scheme: str):
    page.resize(*size)
    page.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.run("document.getElementById('lines').checkVisibility()") is (size == DESKTOP)
    for selector in ("p", "h2", ".id", ".note", "caption", "thead th", ".up", ".down", "tbody .hit", "button", "input"):
        assert contrast(page, f"main {selector}") >= 4.5, selector
    background = page.run("getComputedStyle(document.body).backgroundColor")
    assert (luminance(background) < 0.1) is (scheme == "dark")


def test_all_controls_have_names(page: Page):
    nodes = page.do("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "textbox", "searchbox", "combobox", "table", "columnheader", "rowheader", "heading", "link")
    found = [(node["role"]["value"], node["name"]["value"]) for node in nodes if is_shown(node, roles)]
    assert {"button", "searchbox", "combobox", "table", "rowheader"} <= {role for role, _ in found}
    assert [role for role, name in found if not name.strip()] == []
    assert ("button", "Remove Film i11") in found


def is_shown(node: Mapping, roles: Sequence[str]) -> bool:
    return not node["ignored"] and node["role"]["value"] in roles


def contrast(page: Page, selector: str) -> float:
    """Returns the contrast of an element's text to what is behind it, from 1 to 21 (WCAG 2.1, 1.4.3)."""
    colours = page.run(
        f"""(() => {{
            const element = document.querySelector({selector!r});
            let behind = element;
            while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
            return [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
        }})()"""
    )
    lighter, darker = sorted(map(luminance, colours), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Returns the relative luminance of a colour "rgb(r, g, b)" (WCAG 2.1)."""
    channels = [int(channel) / 255 for channel in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
