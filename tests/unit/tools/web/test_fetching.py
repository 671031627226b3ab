"""Check 53: what a page may do to whoever fetches it, and where it may lead."""

import gzip
import ssl
import time
import zlib
from collections.abc import Sequence
from ipaddress import ip_address

import anyio
import pytest
from anyio.abc import ByteStream

from open_agent.tools.ports import WebUnavailable
from open_agent.tools.web.addresses import Address, AddressGuard
from open_agent.tools.web.fetching import GuardedFetcher
from tests.unit.tools.web.conftest import AUTHORITY, Serve, Site, redirect, reply

MEGABYTE = 1_000_000


class PretendPublic(AddressGuard):
    """Takes 127.0.0.1 for a public address, as no test can reach a real one."""

    def __init__(self) -> None:
        super().__init__(allow_private=False)

    def refusal(self, address: Address, port: int) -> str | None:
        return None if str(address) == "127.0.0.1" else super().refusal(address, port)


class Names:
    """A name server: the answers to each name, one after the other."""

    def __init__(self, **answers: Sequence[list[str]]) -> None:
        self.answers = {name.replace("_", "."): list(said) for name, said in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host not in self.answers:
            raise OSError("Name or service not known")
        return self.answers[host].pop(0)


def fetcher(names: Names | None = None, deadline: float = 4.0) -> GuardedFetcher:
    return GuardedFetcher(PretendPublic(), resolve=names or Names(), deadline=deadline)


async def refused(url: str, fetcher: GuardedFetcher) -> str:
    with pytest.raises(WebUnavailable) as error:
        await fetcher.get(url, max_bytes=MEGABYTE)
    return str(error.value)


async def test_a_page_comes_with_what_the_server_said_of_it(serve: Serve) -> None:
    names = Names(page_test=[["127.0.0.1"]])
    async with serve(reply("grün".encode("latin-1"), 'Text/HTML; charset="Latin-1"')) as site:
        page = await fetcher(names).get(f"http://page.test:{site.port}/a?b#c", max_bytes=MEGABYTE)
    assert (page.url, page.status) == (f"http://page.test:{site.port}/a?b", 200)
    assert (page.media_type, page.charset) == ("text/html", "latin-1")
    assert page.body.decode("latin-1") == "grün"
    assert not page.is_cut
    head = site.requests[0].lower()
    assert head.startswith("get /a?b http/1.1\r\n")
    assert f"\r\nhost: page.test:{site.port}\r\n" in head
    assert "cookie" not in head
    assert "authorization" not in head


async def test_every_status_is_an_answer(serve: Serve) -> None:
    async with serve(reply("Not here", status="404 Not Found")) as site:
        page = await fetcher().get(site.url, max_bytes=MEGABYTE)
    assert (page.status, page.body) == (404, b"Not here")


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 T", "308 P"])
async def test_redirects_are_followed(serve: Serve, status: str) -> None:
    async def answer(head: str, stream: ByteStream) -> None:
        path = head.split()[1]
        await stream.send(redirect("../end?x=1", status) if path == "/a/b" else reply(path))

    async with serve(answer) as site:
        page = await fetcher().get(f"{site.url}/a/b", max_bytes=MEGABYTE)
    assert page.url == f"{site.url}/end?x=1"
    assert page.body == b"/end?x=1"


@pytest.mark.parametrize(("redirects", "is_followed"), [(5, True), (6, False)])
async def test_five_redirects_are_followed_and_no_more(
    serve: Serve, redirects: int, is_followed: bool
) -> None:
    async def answer(head: str, stream: ByteStream) -> None:
        number = int(head.split()[1].strip("/"))
        await stream.send(redirect(f"/{number - 1}") if number else reply("end"))

    async with serve(answer) as site:
        url = f"{site.url}/{redirects}"
        if is_followed:
            assert (await fetcher().get(url, max_bytes=MEGABYTE)).body == b"end"
        else:
            assert "more than 5 times" in await refused(url, fetcher())
    assert len(site.requests) == 6


LEADS_INSIDE = (
    "http://127.0.0.2:{port}/", "//127.0.0.2:{port}/", "http://[::1]:{port}/", "http://127.2:{port}",
    "http://169.254.169.254/latest/meta-data/", "http://inside.test:{port}/", "file:///etc/passwd",
    "gopher://127.0.0.2:{port}/_x", "data:text/plain,x", "http://user@127.0.0.1:{port}/",
    "http://[::ffff:127.0.0.2]:{port}/", "javascript:1", "http://127.0.0.1:99999/", "http://\x7f/",
)  # fmt: skip


@pytest.mark.parametrize("where", LEADS_INSIDE)
async def test_every_redirect_is_checked(serve: Serve, where: str) -> None:
    async with serve(reply("secret"), host="127.0.0.2") as inside:
        there = where.format(port=inside.port)
        async with serve(redirect(there)) as site:
            names = Names(inside_test=[["127.0.0.2"]])
            assert await refused(site.url, fetcher(names))
        assert len(site.requests) == 1
    assert inside.requests == []


HOSTS = (
    # This machine, however it is written.
    "127.0.0.1", "127.0.0.2", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001",
    "0x7F.1", "0x7f.0x0.0x0.0x1", "0177.0.0.1", "0177.0.0.01", "00000177.1", "017700000001",
    "127.0.0.1.", "0", "0.0.0.0", "0x0", "00", "127.0.0.0x1", "127。0。0。1",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]",
    # Networks behind it.
    "10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1", "192.168.1.1",
    "167772161", "0xa.1", "3232235777", "100.64.0.1", "198.18.0.1", "[fd00::1]", "[fc00::1]",
    "[fec0::1]", "[::ffff:192.168.0.1]", "[2002:c0a8:101::]", "[64:ff9b::10.0.0.1]",
    # Clouds.
    "169.254.169.254", "2852039166", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe", "0251.0376.0251.0376",
    "169.254.43518", "169.16689662", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]",
    "[2002:a9fe:a9fe::]", "[fe80::1]", "[fd00:ec2::254]", "100.100.100.200", "168.63.129.16",
    "192.0.0.192", "169.254.170.2",
    # Nobody.
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "[ff02::1]", "192.0.2.1",
    "198.51.100.1", "203.0.113.1", "[2001:db8::1]", "[100::1]",
    # Names that lead there.
    "localhost", "LOCALHOST", "localhost.", "metadata.google.internal", "127.0.0.1.nip.io",
    "both.test", "mapped.test", "scoped.test",
    # What parsers disagree about.
    "127.0.0.1\\@example.org", "example.org@127.0.0.1", "example.org:80@127.0.0.1", "[::1%25lo]",
    "[fe80::1%25eth0]", "%31%32%37.0.0.1", "１２７.0.0.1", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "127.0.0.1%2f@example.org",
    "127.0.0.1%00.example.org", "256.256.256.256", "1.2.3.4.5", "0x", "a b", "", ".", "..",
)  # fmt: skip
SCHEMES = (
    "file:///etc/passwd", "file://localhost/etc/passwd", "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:11211/stat", "ftp://127.0.0.1/", "ldap://127.0.0.1/", "data:text/html,x",
    "jar:http://127.0.0.1!/", "javascript:alert(1)", "unix:///run/docker.sock", "about:blank",
    "view-source:http://127.0.0.1", "ws://127.0.0.1/", "//127.0.0.1/", "127.0.0.1", "/etc/passwd",
    "http:127.0.0.1", "http:///127.0.0.1", "https://", "http://127.0.0.1:0/", "",
    "http://127.0.0.1:70000/", "http://127.0.0.1:80:80/", "http://127.0.0.1:x/", "http://[::1/",
    "http://127.0.0.1\n.example.org/", "http://" + "a" * 10_000,
)  # fmt: skip


async def test_no_url_of_the_corpus_is_opened(serve: Serve) -> None:
    names = {
        name: [[address]] * 9
        for name, address in {
            "localhost": "127.0.0.1",
            "localhost.": "127.0.0.1",
            "metadata.google.internal": "169.254.169.254",
            "127.0.0.1.nip.io": "127.0.0.1",
            "mapped.test": "::ffff:127.0.0.1",
            "scoped.test": "fe80::1%1",
        }.items()
    }
    names["both.test"] = [["93.184.216.34", "127.0.0.1"]] * 9
    resolver = Names()
    resolver.answers = names
    closed = GuardedFetcher(AddressGuard(allow_private=False), resolve=resolver)
    async with serve(reply("secret")) as site:
        urls = [f"http://{host}:{site.port}/" for host in HOSTS]
        urls += [f"https://{host}/" for host in HOSTS]
        for url in [*urls, *SCHEMES]:
            assert await refused(url, closed), url
    assert site.requests == []
    assert len(HOSTS) + len(SCHEMES) > 80


async def test_a_name_that_changes_its_address_is_not_asked_again(serve: Serve) -> None:
    """The first answer is checked and connected to; a second one would lead inside."""
    names = Names(rebinding_test=[["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]])
    async with serve(reply("outside")) as site:
        url = f"http://rebinding.test:{site.port}/"
        page = await fetcher(names).get(url, max_bytes=MEGABYTE)
        assert page.body == b"outside"
        assert names.asked == ["rebinding.test"]
        assert "this machine" in await refused(url, fetcher(names))


async def test_a_redirect_to_its_own_name_is_resolved_and_checked_anew(serve: Serve) -> None:
    names = Names(rebinding_test=[["127.0.0.1"], ["127.0.0.2"]])
    async with serve(redirect("/again")) as site:
        said = await refused(f"http://rebinding.test:{site.port}/", fetcher(names))
    assert "this machine (127.0.0.2)" in said
    assert len(site.requests) == 1


async def test_names_are_resolved_by_the_machine(serve: Serve) -> None:
    allowed = GuardedFetcher(AddressGuard(allow_private=True))
    async with serve(reply("here")) as site:
        page = await allowed.get(f"http://localhost:{site.port}", max_bytes=MEGABYTE)
        assert page.body == b"here"
        closed = GuardedFetcher(AddressGuard(allow_private=False))
        assert "this machine" in await refused(f"http://localhost:{site.port}", closed)
    assert "No address is known" in await refused("http://missing.test", fetcher())


async def test_this_server_is_not_opened_even_where_this_machine_may_be(serve: Serve) -> None:
    async with serve(reply("api")) as site:
        guard = AddressGuard(allow_private=True, own_ports=lambda: [site.port])
        for host in ("127.0.0.1", "localhost", "127.0.0.2", "[::ffff:127.0.0.1]"):
            said = await refused(f"http://{host}:{site.port}/", GuardedFetcher(guard))
            assert "this server itself" in said
    assert site.requests == []


async def test_the_next_address_of_a_name_is_tried(serve: Serve) -> None:
    names = Names(page_test=[["127.0.0.3", "127.0.0.1"]])
    guard = AddressGuard(allow_private=True)
    async with serve(reply("second")) as site:
        page = await GuardedFetcher(guard, resolve=names).get(
            f"http://page.test:{site.port}", max_bytes=MEGABYTE
        )
    assert page.body == b"second"
    said = await refused(f"http://127.0.0.1:{site.port}", GuardedFetcher(guard))
    assert "could not be connected to" in said


async def test_the_certificate_must_be_that_of_the_name(serve: Serve) -> None:
    names = Names(page_test=[["127.0.0.1"]] * 2, other_test=[["127.0.0.1"]])
    trusting = ssl.create_default_context(cafile=AUTHORITY)
    fetcher = GuardedFetcher(PretendPublic(), resolve=names, tls=trusting)
    async with serve(reply("safe"), tls=True) as site:
        page = await fetcher.get(f"https://page.test:{site.port}", max_bytes=MEGABYTE)
        assert page.body == b"safe"
        assert "certificate" in await refused(f"https://other.test:{site.port}", fetcher)
        assert "certificate" in await refused(f"https://127.0.0.1:{site.port}", fetcher)
        usual = GuardedFetcher(PretendPublic(), resolve=names)
        assert "certificate" in await refused(f"https://page.test:{site.port}", usual)
    assert len(site.requests) == 1


async def test_a_body_without_end_is_cut(serve: Serve) -> None:
    """It would be 10 GB: the server finds that nobody reads any more."""
    sent = 0
    is_over = anyio.Event()

    async def answer(head: str, stream: ByteStream) -> None:
        nonlocal sent
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        try:
            while True:
                await stream.send(b"x" * 65536)
                sent += 65536
        finally:
            is_over.set()

    async with serve(answer) as site:
        page = await fetcher().get(site.url, max_bytes=MEGABYTE)
        assert (len(page.body), page.is_cut) == (MEGABYTE, True)
        with anyio.fail_after(2):
            await is_over.wait()
    assert sent < 20 * MEGABYTE


def compressed_zeros(size: int, window_bits: int) -> bytes:
    press = zlib.compressobj(1, wbits=window_bits)
    return (
        b"".join(press.compress(bytes(MEGABYTE)) for _ in range(size // MEGABYTE)) + press.flush()
    )


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip, gzip"])
async def test_a_compressed_bomb_is_cut(serve: Serve, encoding: str) -> None:
    """100 MB in 440 KB; where it is compressed twice, in 2 KB."""
    bomb = compressed_zeros(100 * MEGABYTE, 15 if encoding == "deflate" else 31)
    if encoding == "gzip, gzip":
        bomb = gzip.compress(bomb)
    async with serve(reply(bomb, content_encoding=encoding)) as site:
        begin = time.process_time()
        page = await fetcher().get(site.url, max_bytes=5 * MEGABYTE)
    assert (page.body, page.is_cut) == (bytes(5 * MEGABYTE), True)
    assert time.process_time() - begin < 0.5


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, br", "x"])
async def test_encodings_that_were_not_asked_for_are_refused(serve: Serve, encoding: str) -> None:
    async with serve(reply("x", content_encoding=encoding)) as site:
        assert "encoding that nobody asked for" in await refused(site.url, fetcher())


async def test_what_is_not_compressed_as_said_is_refused(serve: Serve) -> None:
    async with serve(reply("not gzip", content_encoding="gzip")) as site:
        assert "did not compress" in await refused(site.url, fetcher())


async def test_a_slow_body_is_cut_at_the_deadline(serve: Serve) -> None:
    async def drip(head: str, stream: ByteStream) -> None:
        await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            await stream.send(b"x")
            await anyio.sleep(0.05)

    async with serve(drip) as site:
        with anyio.fail_after(2):
            page = await fetcher(deadline=0.4).get(site.url, max_bytes=MEGABYTE)
    assert page.is_cut
    assert 1 <= len(page.body) < 20


async def test_a_slow_head_and_silence_end_at_the_deadline(serve: Serve) -> None:
    async def drip(head: str, stream: ByteStream) -> None:
        await stream.send(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            await stream.send(b"x")
            await anyio.sleep(0.05)

    async def say_nothing(head: str, stream: ByteStream) -> None:
        await anyio.sleep_forever()

    for handler in (drip, say_nothing):
        async with serve(handler) as site:
            with anyio.fail_after(3):
                assert "no answer within" in await refused(site.url, fetcher(deadline=0.1))


async def test_redirects_share_one_deadline(serve: Serve) -> None:
    async def answer(head: str, stream: ByteStream) -> None:
        await anyio.sleep(0.2)  # deliberate: a server that is slow each time
        await stream.send(redirect("/again"))

    async with serve(answer) as site:
        with anyio.fail_after(3):
            assert await refused(site.url, fetcher(deadline=0.1))
    assert len(site.requests) <= 6


async def test_a_body_that_breaks_off_is_cut(serve: Serve) -> None:
    async with serve(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf") as site:
        page = await fetcher().get(site.url, max_bytes=MEGABYTE)
    assert (page.body, page.is_cut) == (b"half", True)


GARBAGE = (
    b"", b"\r\n\r\n", b"garbage\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"SSH-2.0-OpenSSH_9\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"\x00" * 1000 + b"\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
)  # fmt: skip


@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
async def test_what_is_not_http_is_refused(serve: Serve, garbage: bytes) -> None:
    async with serve(garbage) as site:
        assert await refused(site.url, fetcher())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://user:password@page.test/", "user name"),
        ("https://pa%67e.test/", "no valid host"),
        ("https://pa ge.test/", "no valid host"),
        ("https://page.test:99999/", "no valid port"),
        ("https://page.test/" + "x" * 8000, "longer than"),
        ("ftp://page.test/", "begin with https"),
        ("https://1.2.3.4.5/", "not an IPv4 address"),
    ],
)
async def test_urls_that_are_not_asked_for_are_refused_with_the_reason(url: str, said: str) -> None:
    assert said in await refused(url, fetcher(Names(page_test=[["127.0.0.1"]])))


async def test_nothing_is_carried_from_one_page_to_the_next(serve: Serve) -> None:
    async with serve(reply("x", set_cookie="id=1; Path=/")) as site:
        one = fetcher()
        for _ in range(2):
            await one.get(site.url, max_bytes=MEGABYTE)
    assert len(site.requests) == 2
    assert site.requests[0] == site.requests[1]


def test_the_pretended_public_address_is_the_only_one() -> None:
    assert PretendPublic().refusal(ip_address("127.0.0.2"), 80)
    assert Site(1).url == "http://127.0.0.1:1"
