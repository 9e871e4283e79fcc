"""The question that a web application makes us ask, and the list of what was answered; both without a script."""

from __future__ import annotations

from datetime import timedelta
from http.cookies import SimpleCookie
from urllib.parse import quote, urlencode

import pytest

from caucase.server.cors import COOKIE

from ..wire import Answer
from .dom import Element, parse
from .world import World

PAGE = "https://page.example"
CLEAR = "http://page.example:81"


def question(world: World, origin: str = PAGE, *, as_user: bool = True, cookie: str = "") -> Element:
    path = f"/cors?origin={quote(origin, safe='')}&return={quote(origin + '/back?x=1', safe='')}"
    headers = {"Cookie": f"__Host-cors={cookie}"} if cookie else {}
    return parse(world.get(path, as_user=as_user, **headers).expect(200).body)


def fields(form: Element, button: str) -> bytes:
    """What a browser sends when that button of a form is pressed."""
    values = {one.attributes["name"]: one.attributes["value"] for one in form.all("input", type="hidden")}
    [pressed] = [one for one in form.all("button") if one.text.startswith(button)]
    if "name" in pressed.attributes:
        values[pressed.attributes["name"]] = pressed.attributes["value"]
    return urlencode(values).encode()


def answer(world: World, origin: str, button: str, cookie: str = "") -> str:
    """The cookie after that."""
    form = question(world, origin).one("form")
    assert form.attributes["method"] == "post"
    headers = {"Cookie": f"__Host-cors={cookie}"} if cookie else {}
    sent = world.send(form.attributes["action"], fields(form, button), **headers).expect(302)
    assert sent.headers["Location"] == f"{origin}/back?x=1"
    return cookie_of(sent)


def cookie_of(sent: Answer) -> str:
    return SimpleCookie(sent.headers["Set-Cookie"])[COOKIE].value


def listed(world: World, cookie: str) -> Element:
    headers = {"Cookie": f"__Host-cors={cookie}"} if cookie else {}
    return parse(world.get("/ui/consents", **headers).expect(200).body)


def test_all_of_the_origin_is_there(world: World) -> None:
    """Whose a name is, its end says."""
    origin = f"https://login.bank.example.{'a' * 60}.{'b' * 60}.{'c' * 60}.evil.example"
    assert origin in [strong.text for strong in question(world, origin).one("main").all("strong")]


def test_it_says_who_what_and_for_how_long(world: World) -> None:
    main = question(world).one("main")
    assert world.server.https_origin.removeprefix("https://") in main.one("h1").text
    assert PAGE in [strong.text for strong in main.all("strong")]
    assert "They would act as CN=alice" in main.text
    rights = main.one("ul", aria_labelledby="rights").text
    assert all(word in rights for word in ("read", "sign and reject", "revoke"))
    end = world.server.clock() + timedelta(days=365)
    assert "365 days" in main.text
    assert main.all("time")[0].attributes["datetime"].startswith(f"{end:%Y-%m-%d}")
    assert [link.attributes["href"] for link in main.all("a")] == ["/ui/consents"]
    assert [button.text for button in main.all("button")] == [
        "Deny",
        "Allow",
    ]  # what does no harm comes first
    assert "without encryption" not in main.text
    assert "without encryption" in question(world, CLEAR).text


def test_without_a_certificate(world: World) -> None:
    assert "no user's certificate" in question(world, as_user=False).one("main").text


def test_allowed_denied_and_taken_back(world: World) -> None:
    cookie = answer(world, PAGE, "Allow")
    assert "You have allowed this until" in question(world, cookie=cookie).text
    cookie = answer(world, CLEAR, "Deny", cookie)
    assert "You have denied this until" in question(world, CLEAR, cookie=cookie).text
    page = listed(world, cookie)
    rows = page.one("table").rows()
    assert [(row["Origin"], row["Your answer"]) for row in rows] == [(CLEAR, "Denied"), (PAGE, "Allowed")]
    assert all("in 364 days" in row["Until"] or "in 365 days" in row["Until"] for row in rows)
    headers = {"Origin": PAGE, "Cookie": f"__Host-cors={cookie}"}
    world.server.client.get("/cas/csr", headers, user=world.user).expect(200)

    _, form = page.all("form")
    sent = world.send(
        form.attributes["action"], fields(form, "Take back"), Cookie=f"__Host-cors={cookie}"
    ).expect(303)
    assert sent.headers["Location"] == "/ui/consents"
    cookie = cookie_of(sent)
    [row] = listed(world, cookie).one("table").rows()
    assert row["Origin"] == CLEAR
    headers = {"Origin": PAGE, "Cookie": f"__Host-cors={cookie}"}
    world.server.client.get("/cas/csr", headers, user=world.user).expect(401)

    form = listed(world, cookie).one("form")
    sent = world.send(form.attributes["action"], fields(form, "Ask me again"), Cookie=f"__Host-cors={cookie}")
    assert SimpleCookie(sent.headers["Set-Cookie"])[COOKIE]["max-age"] == "0"
    assert "nothing yet" in listed(world, cookie_of(sent)).one("main").text


def test_what_is_listed_needs_no_answer(world: World) -> None:
    """That is told to users, whom it concerns."""
    assert world.page("/ui/consents").one("ul", aria_labelledby="listed").text == "https://known.example"
    assert "known.example" not in world.page("/ui/consents", as_user=False).text


def test_a_damaged_cookie(world: World) -> None:
    """It is as if there were none, and taking back what is not there does no harm."""
    assert "nothing yet" in listed(world, "nonsense").one("main").text
    world.send("/ui/consents", urlencode({"origin": PAGE}).encode(), Cookie="__Host-cors=nonsense").expect(
        303
    )


@pytest.mark.parametrize("body", [b"", b"origin=a&origin=b", b"x=y", b"\xff"])
def test_what_takes_nothing_back(world: World, body: bytes) -> None:
    sent = world.send("/ui/consents", body).expect(400)
    assert "Set-Cookie" not in sent.headers


@pytest.mark.parametrize("origin", [None, PAGE, "https://known.example", "null"])
def test_nobody_else_takes_it_back(world: World, origin: str | None) -> None:
    cookie = answer(world, PAGE, "Allow")
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": f"__Host-cors={cookie}"}
    if origin:
        headers["Origin"] = origin
    body = urlencode({"origin": PAGE}).encode()
    sent = world.server.client.ask("POST", "/ui/consents", body, headers, user=world.user).expect(403)
    assert "Set-Cookie" not in sent.headers


def test_an_origin_in_brackets(world: World) -> None:
    """It is shown as it is, and the browser lets its user go back there: no policy can name an IPv6 address."""
    origin = "https://[2001:db8::1]:8443"
    assert origin in [strong.text for strong in question(world, origin).all("strong")]
    answer = world.get(f"/cors?origin={quote(origin)}&return={quote(origin)}/")
    assert "form-action 'self' https:;" in answer.headers["Content-Security-Policy"]
