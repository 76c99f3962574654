# SPDX-License-Identifier: MIT
"""HTTP as strangers speak it: malformed, oversized, slow and hostile requests. After each of them
the node still serves."""

import threading
import time

import pytest

import served
from fleet import SLOW, wait_until
from rawhttp import Closed, Link, raw, request_bytes
from served import BIG, CONTENT, SHA
from wire import Member, ndjson, offer


@pytest.fixture(scope="module")
def node(module_fleet):
    return served.start(module_fleet)


@pytest.fixture(autouse=True)
def still_serves(node):
    yield
    served.check(node)


H = b"Host: 127.0.0.1\r\n"


MALFORMED = [
    (b"GARBAGE\r\n\r\n", {400}),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", {0, 400}),
    (b"\0\0\0\0\r\n\r\n", {400}),
    (b"GET\r\n" + H + b"\r\n", {400}),
    (b"GET  / HTTP/1.1\r\n" + H + b"\r\n", {200, 400}),
    (b"GET / \r\n" + H + b"\r\n", {400, 505}),
    (b"GET / HTTP/2.0\r\n" + H + b"\r\n", {400, 505}),
    (b"GET / HTTP/1.9\r\n" + H + b"\r\n", {200, 400, 505}),
    (b"GET / HTTPS/1.1\r\n" + H + b"\r\n", {400}),
    (b"GET / FTP/1.1\r\n" + H + b"\r\n", {400}),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 405, 501, 505}),
    (b"GET v1/stats HTTP/1.1\r\n" + H + b"\r\n", {400, 404}),
    (b"GET /\xff HTTP/1.1\r\n" + H + b"\r\n", {400, 404}),
    (b"GET /a b HTTP/1.1\r\n" + H + b"\r\n", {400}),
    (b"GET /\0 HTTP/1.1\r\n" + H + b"\r\n", {400}),
    (b"GET / HTTP/1.1\r\n\r\n", {400}),
    (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", {400, 421}),
    (b"GET / HTTP/1.1\r\n" + H + b"Host: evil.example\r\n\r\n", {400}),
    (b"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n", {400}),
    (b"GET / HTTP/1.1\r\n Host: 127.0.0.1\r\n\r\n", {400}),
    (b"GET / HTTP/1.1\r\n" + H + b"X: a\r\n folded\r\n\r\n", {400}),
    (b"GET / HTTP/1.1\r\n" + H + b"No colon\r\n\r\n", {400}),
    (b"GET / HTTP/1.1\r\n" + H + b": empty\r\n\r\n", {400}),
    (b"GET / HTTP/1.1\r\n" + H + b"X: nul\0byte\r\n\r\n", {400}),
    (b"GET / HTTP/1.1\r\n" + H + b"X: bare\rcr\r\n\r\n", {400}),
    (b"GET / HTTP/1.1\n" + H + b"\n\n", {0, 400}),
    (b"get / HTTP/1.1\r\n" + H + b"\r\n", {400, 405, 501}),
    (b"BREW /v1/stats HTTP/1.1\r\n" + H + b"\r\n", {400, 405, 501}),
    (b"DELETE /v1/list HTTP/1.1\r\n" + H + b"\r\n", {405, 501}),
    (b"PUT /download/a.txt HTTP/1.1\r\n" + H + b"Content-Length: 1\r\n\r\nx", {405, 501}),
    (b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n" + H + b"\r\n", {400, 405, 501}),
    (b"TRACE / HTTP/1.1\r\n" + H + b"\r\n", {400, 405, 501}),
    (b"OPTIONS * HTTP/1.1\r\n" + H + b"\r\n", {400, 404, 405, 501}),
    (
        b"POST /v1/list HTTP/1.1\r\n"
        + H
        + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
        {405},
    ),
    (b"GET /v1/join HTTP/1.1\r\n" + H + b"\r\n", {405}),
    (b"GET /nothing/here HTTP/1.1\r\n" + H + b"\r\n", {404}),
    (b"GET /v1/ HTTP/1.1\r\n" + H + b"\r\n", {404}),
    (b"GET /v2/stats HTTP/1.1\r\n" + H + b"\r\n", {404}),
    (b"GET //v1/stats HTTP/1.1\r\n" + H + b"\r\n", {400, 404}),
    (b"GET http://evil.example/v1/stats HTTP/1.1\r\nHost: evil.example\r\n\r\n", {400, 404, 421}),
    (
        b"GET /v1/stats HTTP/1.1\r\n"
        + H
        + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        {400},
    ),
]


J = (
    b"POST /v1/alive HTTP/1.1\r\n"
    + H
    + b"Authorization: Bearer "
    + b"a" * 64
    + b"\r\nContent-Type: application/json\r\n"
)


MALFORMED_BODY = [
    (J + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    (J + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}    ", {400}),
    (J + b"Content-Length: 2, 2\r\n\r\n{}", {400}),
    (J + b"Content-Length: -1\r\n\r\n", {400}),
    (J + b"Content-Length: +2\r\n\r\n{}", {400}),
    (J + b"Content-Length: 0x2\r\n\r\n{}", {400}),
    (J + b"Content-Length: 99999999999999999999999\r\n\r\n", {400, 413}),
    (J + b"Content-Length: 18446744073709551615\r\n\r\n{}", {400, 413}),
    (J + b"Content-Length: \r\n\r\n", {400}),
    (J + b"Transfer-Encoding: gzip\r\n\r\n", {400, 501}),
    (J + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", {400, 501}),
    (J + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", {400, 501}),
    (J + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", {400, 501}),
    (J + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", {400}),
    (J + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n", {400}),
    (J + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}\r\n0\r\n\r\n", {400, 413}),
    (J + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n", {400}),
    (J + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", {400, 415}),
    (J + b"\r\n", {400, 411}),
]


@pytest.mark.parametrize(
    "data,statuses",
    MALFORMED + MALFORMED_BODY,
    ids=lambda v: repr(v[-60:]) if isinstance(v, bytes) else "",
)
def test_malformed(node, data, statuses):
    with Link(node.address) as link:
        link.send(data)
        try:
            status = link.head().status
        except Closed:
            status = 0
        except TimeoutError:
            status = "none"
    assert status in statuses


@pytest.mark.parametrize(
    "path,status", [("/nothing", 404), ("/v1/join", 405), ("/v1/content/" + "0" * 64, 404)]
)
def test_errors_are_json_with_a_hint(node, path, status):
    reply = node.get(path)
    assert reply.status == status and reply.error()


@pytest.mark.parametrize("cut", range(0, 45, 7))
def test_truncated_request(node, cut):
    """The client goes away in the middle; nothing is answered, nothing is done."""
    data = request_bytes(node.address, "GET", "/v1/stats")[:cut]
    with Link(node.address) as link:
        link.send(data)
        link.socket.shutdown(1)
        assert link.rest(12)[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 408")


@pytest.mark.parametrize(
    "size,statuses", [(4000, {404}), (4200, {414}), (9000, {414, 431}), (100_000, {414, 431})]
)
def test_url_limits(node, size, statuses):
    assert raw(node.address, request_bytes(node.address, "GET", "/" + "x" * size)) in statuses


def test_head_limits(node):
    def status(headers):
        return raw(node.address, request_bytes(node.address, "GET", "/v1/stats", headers))

    assert status({"X-Long": "x" * 7500}) == 200
    assert status({"X-Long": "x" * 8192}) == 431
    assert status({"X-Long": "x" * 1_000_000}) in (0, 431)
    assert status({f"X-{i}": "x" for i in range(60)}) == 200
    assert status({f"X-{i}": "x" for i in range(70)}) == 431
    assert status({"X" * 8192: "x"}) in (400, 431)


def test_line_limit(node):
    with Member(node) as member:
        body = ndjson(member.node(seq=1), offer("x", note="y" * 5000))
        assert member.ask_apart("/v1/join", body).status in (400, 413)
        assert member.ask_apart("/v1/join", b"x" * 1_000_000).status in (400, 413)


ESCAPES = [
    "../../../../etc/passwd",
    "%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%252e%252e/etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "./a.txt",
    "sub/../a.txt",
    "sub//big.bin",
    "sub/./big.bin",
    "a.txt%00",
    "a.txt%00.html",
    "%00",
    "..\\..\\etc\\passwd",
    "%5c..%5cetc",
    "a.txt/",
    "sub",
    "sub/",
    "",
    "%c0%ae%c0%ae/etc/passwd",
    "%e0%80%af",
    "%ff",
    "%",
    "%2",
    "%zz",
    "%2E%2E%2Fstate-attic%2Ftoken",
    ".",
    "..",
    "a.txt/..",
    "a.txt/../../etc/passwd",
    "%0d%0aX-Injected:%201",
    "x" * 1025,
]


@pytest.mark.parametrize("path", ESCAPES, ids=lambda p: p[:40])
@pytest.mark.parametrize("own", ["", "?own=1"])
def test_paths_never_lead_out(node, path, own):
    reply = node.get(f"/download/{path}{own}")
    assert reply.status in (400, 404, 414), reply
    assert b"root:" not in reply.body and reply.header("x-injected") is None


@pytest.mark.parametrize(
    "host,status",
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:7", 200),
        ("localhost", 200),
        ("LOCALHOST:80", 200),
        ("[::1]:5", 200),
        ("[::1]", 200),
        ("attic", 200),
        ("attic:7750", 200),
        ("files.example", 200),
        ("Other.Example:1", 200),
        ("192.0.2.1", 200),
        ("evil.example", 421),
        ("attic.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("files.example.evil", 421),
        ("localhost.evil.example", 421),
        ("1.2.3", 421),
        ("0x7f.1", 421),
        ("evil.example:80@127.0.0.1", 421),
    ],
)
def test_host_rule(node, host, status):
    """Against DNS rebinding: a name that is not this node's own is refused, and the answer says
    which key helps."""
    for path in ("/v1/stats", "/download/a.txt?own=1", "/"):
        reply = node.get(path, {"Host": host})
        if status == 200:
            assert reply.status in (200, 404) if path == "/" else reply.status == 200, reply
        else:
            assert reply.status in (status, 400), reply
            if reply.status == 421:
                assert "hosts" in reply.error()


def test_foreign_origins_are_refused(node):
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": f"http://127.0.0.1:{node.port + 1}"},
        {"Origin": f"https://{node.address}.evil.example"},
    ):
        with Member(node) as member:
            body = ndjson(member.node(seq=1))
            reply = member.post("/v1/join", body, headers=headers)
            assert reply.status == 403, (headers, reply)
            assert reply.error()
    assert node.get("/v1/stats", {"Origin": f"http://{node.address}"}).status == 200
    assert node.get("/v1/stats", {"Sec-Fetch-Site": "same-origin"}).status == 200
    reply = node.get("/v1/stats")
    assert not [key for key, _ in reply.headers if key.startswith("access-control-")]


def test_pipelining(node):
    paths = [
        "/v1/stats",
        "/nothing",
        f"/v1/have/{SHA}",
        "/download/a.txt?own=1",
        "/v1/list",
        CONTENT,
        "/v1/stats",
    ] * 3
    with Link(node.address) as link:
        link.send(b"".join(request_bytes(node.address, "GET", p) for p in paths))
        replies = [link.reply() for _ in paths]
    assert [r.status for r in replies] == [200, 404, 200, 200, 200, 200, 200] * 3
    assert all(r.body == BIG for r in replies[5::7]) and all(
        r.body == b"alpha" for r in replies[3::7]
    )


def test_pipelining_behind_a_body(node):
    with Member(node, "piped") as member:
        join = request_bytes(
            node.address,
            "POST",
            "/v1/join",
            member.headers(),
            ndjson(member.node(seq=1), offer("piped")),
        )
        member.link.send(join + request_bytes(node.address, "GET", "/v1/search?q=piped"))
        assert member.link.reply().status == 200
        assert [x.get("path") for x in member.link.reply().lines()][0] == "piped"


@pytest.mark.parametrize("path", ["/download/a.txt?own=1", "/v1/list"])
def test_request_in_two_parts(node, path):
    data = request_bytes(node.address, "GET", path)
    want = node.get(path).body
    for at in range(1, len(data)):
        with Link(node.address) as link:
            link.send(data[:at])
            link.send(data[at:])
            assert link.reply().body == want, at


def test_expect_continue(node):
    with Member(node, "expects") as member:
        body = ndjson(member.node(seq=1))
        member.link.send_request(
            "POST",
            "/v1/join",
            {**member.headers(), "Expect": "100-continue", "Content-Length": str(len(body))},
        )
        assert member.link.head().status == 100
        member.link.send(body)
        assert member.link.reply().status == 200


def test_connection_close_and_http_1_0(node):
    with Link(node.address) as link:
        assert link.request("GET", "/v1/stats", {"Connection": "close"}).status == 200
        assert link.is_closed(2)
    with Link(node.address) as link:
        link.send(b"GET /v1/list HTTP/1.0\r\n" + H + b"\r\n")
        reply = link.reply()
        assert reply.status == 200 and reply.header("transfer-encoding") is None
        assert link.is_closed(2)


def test_two_hundred_requests_on_one_connection(node):
    with Link(node.address) as link:
        for _ in range(100):
            assert (
                link.request("GET", CONTENT, {"Range": "bytes=70000-70099"}).body
                == BIG[70000:70100]
            )
            assert link.request("GET", "/v1/stats").status == 200


def test_an_answer_that_is_not_read(node):
    """Many who ask for much and read nothing: they keep some places for bytes, but nothing else
    waits for them, and their places are free when they go."""
    links = [Link(node.address) for _ in range(40)]
    for link in links:
        for _ in range(20):
            link.send_request("GET", CONTENT)
    began = time.monotonic()
    reply = node.get(CONTENT)
    assert reply.status == 200 or (reply.status == 503 and reply.json()["retry_ms"] > 0), reply
    assert node.get("/v1/search?q=a.txt").status == 200
    with Member(node, "calm") as member:
        member.joined(offer("calm"))
    assert time.monotonic() - began < 8 * SLOW, "a reader that stands still is given up much later"
    for link in links:
        link.close()
    wait_until(lambda: node.get(CONTENT).body == BIG, what="a place is free")


def trickle(address, parts, pause, limit):
    """Sends the parts one by one with pauses; seconds until the other side gave up, and what it
    said."""
    began = time.monotonic()
    with Link(address, limit) as link:
        stop = threading.Event()

        def feed():
            for part in parts:
                try:
                    link.socket.sendall(part)
                except OSError:
                    return
                if stop.wait(pause):
                    return

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        try:
            said = link.rest(limit)
        finally:
            stop.set()
            feeder.join(5)
    return time.monotonic() - began, said


def in_parallel(jobs):
    results = [None] * len(jobs)

    def work(i, job):
        try:
            results[i] = job()
        except Exception as fault:  # shown by the caller's assertion
            results[i] = (float("inf"), repr(fault).encode())

    threads = [threading.Thread(target=work, args=(i, job)) for i, job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.once
def test_one_byte_a_second_in_the_head(node):
    """A head has 10 s in all, whatever trickles in."""
    request = request_bytes(node.address, "GET", "/v1/stats", {"X": "x" * 100})
    byte_by_byte = [request[i : i + 1] for i in range(len(request))]
    lines = [request.split(b"X: ")[0]] + [b"X-%d: y\r\n" % i for i in range(60)]
    jobs = [
        lambda: trickle(node.address, byte_by_byte, 0.9, 60),
        lambda: trickle(node.address, lines, 0.5, 60),
        lambda: trickle(node.address, [request[:10]], 0.1, 60),
    ]
    for took, said in in_parallel(jobs):
        assert 5 < took < 25, (took, said)
        assert said == b"" or said.startswith(b"HTTP/1.1 408"), said


@pytest.mark.long
def test_one_byte_a_second_in_the_body_and_a_reader_that_stands_still(node):
    with Member(node, "slow") as member:
        head = request_bytes(
            node.address, "POST", "/v1/join", {**member.headers(), "Content-Length": "5000"}
        )
    still = request_bytes(node.address, "GET", CONTENT) * 400

    def stands_still():
        began = time.monotonic()
        with Link(node.address, 90) as link:
            link.send(still)
            wait_until(lambda: gone(link), 80, "the node gives up on the reader")
        return time.monotonic() - began, b""

    def gone(link):
        try:
            link.socket.settimeout(1)
            link.socket.sendall(b"\r\n")
            return False
        except (ConnectionError, BrokenPipeError):
            return True
        except TimeoutError:
            return False

    jobs = [lambda: trickle(node.address, [head] + [b" "] * 80, 1, 90), stands_still]
    for took, said in in_parallel(jobs):
        assert 10 < took < 80, (took, said)
