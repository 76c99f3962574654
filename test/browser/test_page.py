# SPDX-License-Identifier: MIT
"""The search page in a real browser: what people see, type and click, and that no name of a file
can do more than be read."""

import contextlib
import gzip
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from chains import sha256
from fleet import wait_until
from rawhttp import ask
from wire import Member, offer

FILES = {
    "firmware/v2/gateway.bin": bytes(70_000),
    "read me 100% #1?.txt": b"hello",
    "music/Ä ö.ogg": b"umlaut",
}
HOSTILE = [
    "<script>document.title='taken'</script>.html",
    "<img src=x onerror=document.title='taken'>.png",
    "\"'><b>bold</b>.txt",
    "javascript:document.title='taken'",
    "&lt;i&gt;.txt",
]


def find(browser, css):
    return browser.find_element(By.CSS_SELECTOR, css)


def state(browser):
    return find(browser, "#state").text


def wait_state(browser, text):
    wait_until(lambda: text in state(browser), what=f"{text!r}, not {state(browser)!r}")


def column(browser, number):
    """The texts of one column, as they are in the page."""
    return browser.execute_script(
        "return [...document.querySelectorAll('#files tbody tr')]"
        ".map((row) => row.cells[arguments[0]].textContent)",
        number,
    )


def names(browser):
    return column(browser, 0)


def open_page(browser, node, path="/"):
    browser.get(f"http://{node.address}{path}")


def type_text(browser, text):
    box = find(browser, "#query")
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys(text or Keys.DELETE)


@pytest.fixture(scope="module")
def both(module_fleet):
    node = module_fleet.both(FILES, name="desk")
    for name, data in FILES.items():
        node.wait_file(name, sha256(data))
    return node


@contextlib.contextmanager
def member(node, *names_, **how):
    """A node that offers files of these names, of sizes 0, 1000, 2000 …"""
    with Member(node, how.pop("name", "kitchen"), how.pop("port", 9)) as made:
        made.joined(*[offer(name, size=1000 * i) for i, name in enumerate(names_)])
        yield made


def test_files_are_shown(browser, both):
    open_page(browser, both)
    wait_state(browser, "3 files")
    assert names(browser) == sorted(FILES)
    assert column(browser, 1) == ["68 KiB", "6 B", "5 B"]
    assert column(browser, 2) == ["1", "1", "1"]
    assert column(browser, 4) == [sha256(FILES[name]) for name in sorted(FILES)]
    shown = find(browser, "#node").text
    assert "desk" in shown and "both" in shown
    assert find(browser, "#nodes summary").text == "1 node"
    assert "desk" in browser.title


def test_a_link_leads_to_the_bytes(browser, both):
    open_page(browser, both)
    wait_state(browser, "3 files")
    for link in browser.find_elements(By.CSS_SELECTOR, "#files a"):
        path = link.get_attribute("href").partition(both.address)[2]
        reply = ask(both.address, "GET", path)
        assert (reply.status, reply.body) == (200, FILES[link.text])
        assert reply.header("content-disposition").startswith("attachment")


def test_search_as_one_types(browser, both):
    open_page(browser, both)
    wait_state(browser, "3 files")
    type_text(browser, "GATEWAY")
    wait_until(lambda: names(browser) == ["firmware/v2/gateway.bin"])
    assert state(browser) == "1 file"
    assert browser.current_url.endswith("/?q=GATEWAY")
    type_text(browser, "*.txt")
    wait_until(lambda: names(browser) == ["read me 100% #1?.txt"])
    type_text(browser, "nothing like that")
    wait_state(browser, "Nothing found")
    assert names(browser) == [] and not find(browser, "#files").is_displayed()
    type_text(browser, "")
    wait_state(browser, "3 files")


def test_a_search_can_be_linked_to(browser, both):
    open_page(browser, both, "/?q=gateway")
    wait_until(lambda: names(browser) == ["firmware/v2/gateway.bin"])
    assert find(browser, "#query").get_attribute("value") == "gateway"


def test_enter_asks_and_stays(browser, both):
    open_page(browser, both)
    wait_state(browser, "3 files")
    type_text(browser, "music" + Keys.ENTER)
    wait_until(lambda: names(browser) == ["music/Ä ö.ogg"])
    assert browser.current_url == f"http://{both.address}/?q=music"


def test_names_are_text(browser, fleet):
    index = fleet.index(name="plain")
    with member(index, *HOSTILE):
        for path in ("/", "/?q=*"):
            open_page(browser, index, path)
            wait_state(browser, f"{len(HOSTILE)} files")
            assert sorted(names(browser)) == sorted(HOSTILE)
            assert browser.title == "plain · p2p"
            inside = "#files :not(thead, thead *, tbody, tr, td, a, code)"
            assert browser.find_elements(By.CSS_SELECTOR, inside) == []
            for link in browser.find_elements(By.CSS_SELECTOR, "#files a"):
                assert link.get_attribute("href").startswith(f"http://{index.address}/download/")


def test_an_unhashed_file_says_so(browser, fleet):
    index = fleet.index()
    with Member(index) as made:
        made.joined(offer("new.bin", sha256=None))
        open_page(browser, index)
        wait_until(lambda: names(browser) == ["new.bin"])
        assert column(browser, 4) == ["being read"]


def test_holders_are_counted_and_named(browser, fleet):
    index = fleet.index()
    with member(index, "a.bin"), member(index, "a.bin", name="cellar", port=10):
        open_page(browser, index, "/?q=a.bin")
        wait_until(lambda: column(browser, 2) == ["2"])
        title = find(browser, "#files tbody td.n[title*=cellar]").get_attribute("title")
        assert sorted(title.split(", ")) == ["cellar", "kitchen"]


def test_columns_sort(browser, fleet):
    index = fleet.index()
    with member(index, "b.bin", "c.bin", "a.bin"):
        open_page(browser, index)
        wait_state(browser, "3 files")
        head = {cell.text.split()[0]: cell for cell in browser.find_elements(By.TAG_NAME, "button")[:5]}
        assert names(browser) == ["a.bin", "b.bin", "c.bin"]
        table = [
            ("Name", "descending", ["c.bin", "b.bin", "a.bin"]),
            ("Size", "descending", ["a.bin", "c.bin", "b.bin"]),
            ("Size", "ascending", ["b.bin", "c.bin", "a.bin"]),
            ("Name", "ascending", ["a.bin", "b.bin", "c.bin"]),
        ]
        for key, way, expected in table:
            head[key].click()
            assert names(browser) == expected, (key, way)
            assert find(browser, f"th[aria-sort={way}]").text.startswith(key)


def test_a_long_list_comes_in_parts(browser, fleet):
    index = fleet.index()
    every = [f"many/{i:04}.bin" for i in range(450)]
    with member(index, *every):
        open_page(browser, index)
        wait_state(browser, "200 files of 450")
        find(browser, "#more").click()
        wait_state(browser, "400 files of 450")
        find(browser, "#more").click()
        wait_state(browser, "450 files")
        assert names(browser) == every and not find(browser, "#more").is_displayed()


def test_the_page_of_a_peer_is_its_share(browser, fleet):
    index = fleet.index()
    peer = fleet.peer(index, {"own.txt": b"own"}, name="kitchen")
    index.wait_file("own.txt")
    with member(index, "elsewhere.txt", name="cellar"):
        open_page(browser, peer)
        wait_until(lambda: names(browser) == ["own.txt"])
        assert "its own share" in find(browser, "#node").text
        links = [a.get_attribute("href") for a in browser.find_elements(By.CSS_SELECTOR, "#node a")]
        assert links == [f"http://{index.address}/"]


def test_nodes_are_listed_and_linked(browser, fleet):
    index = fleet.index()
    peer = fleet.peer(index, {"a.txt": b"a", "b.txt": b"b"}, name="kitchen")
    index.wait_file("b.txt")
    with member(index, "c.txt", name="attic"):
        open_page(browser, index)
        wait_state(browser, "3 files")
        summary = find(browser, "#nodes summary")
        assert summary.text == "2 nodes"
        summary.click()
        rows = "return [...document.querySelectorAll('#nodes tr')].map((r) => r.innerText.split('\\t'))"
        wait_until(lambda: len(browser.execute_script(rows)) == 2)
        attic, kitchen = browser.execute_script(rows)
        assert (attic[0], attic[2]) == ("attic", "1 file")
        assert kitchen == ["kitchen", peer.address, "2 files", "active"]
        links = browser.find_elements(By.CSS_SELECTOR, "#nodes a")
        assert links[1].get_attribute("href") == f"http://{peer.address}/"


def test_a_click_saves_the_file(browser, fleet, tmp_path):
    """From the page of an index the browser is led to the holder, and saves under the file's name."""
    index = fleet.index()
    fleet.peer(index, FILES, name="kitchen")
    for name in FILES:
        index.wait_file(name)
    wait_until(lambda: index.get("/download/firmware/v2/gateway.bin").status == 307)
    allow = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", allow)
    open_page(browser, index)
    wait_state(browser, "3 files")
    for link in browser.find_elements(By.CSS_SELECTOR, "#files a"):
        link.click()
        place = tmp_path / link.text.rpartition("/")[2].replace("?", "_")
        wait_until(place.exists, what=f"{place}, not {list(tmp_path.iterdir())}")
        wait_until(lambda: place.read_bytes() == FILES[link.text])
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "default"})


def test_an_empty_index(browser, fleet):
    open_page(browser, fleet.index())
    wait_state(browser, "No files yet")


def test_a_browser_asks_again_and_gets_304(fleet):
    index = fleet.index()
    for path, kind in (("/", "text/html"), ("/app.js", "text/javascript"), ("/style.css", "text/css")):
        first = index.get(path)
        tag = first.header("etag")
        packed = first.header("content-encoding") == "gzip"
        assert packed == (path != "/")
        source = (Path(__file__).parents[2] / "web" / (path[1:] or "index.html")).read_bytes()
        assert (gzip.decompress(first.body) if packed else first.body) == source
        assert first.status == 200 and first.header("content-type").startswith(kind)
        assert "default-src 'none'" in first.header("content-security-policy")
        assert first.header("x-content-type-options") == "nosniff"
        for value, status in (
            (tag, 304),
            (f'"other", {tag}', 304),
            (f"W/{tag}", 304),
            ("*", 304),
            ('"other"', 200),
            (tag.strip('"'), 200),
        ):
            reply = index.get(path, {"If-None-Match": value})
            assert reply.status == status and reply.header("etag") == tag
            assert reply.body == (b"" if status == 304 else first.body)
        head = index.get(path, method="HEAD")
        assert head.body == b"" and head.header("content-length") == str(len(first.body))
