"""`edgellm keys`: the key on stdout and nothing else, the list, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

from edgellm.security.key_ring import KeyRing
from edgellm.security.keys import KeyFile
from tests.cli.conftest import Cli


def test_adding_listing_and_revoking(cli: Cli, environment: dict[str, str]) -> None:
    first = cli("keys", "add", "phone")
    assert first.returncode == 0
    token = first.stdout.strip()
    assert first.stdout == token + "\n"
    assert token.startswith("edgellm-")
    assert "only time that the key is shown" in first.stderr
    assert "every request to this user's server needs a key" in first.stderr
    second = cli("keys", "add", "boss", "--role", "admin")
    assert "every request" not in second.stderr

    ring = KeyRing(KeyFile(Path(environment["EDGELLM_HOME"]) / "data" / "keys.json"))
    found = ring.find([token.encode()])
    assert found is not None
    assert (found.name, found.role) == ("phone", "user")

    shown = cli("keys", "list")
    head, phone, boss = shown.stdout.splitlines()
    assert head.split() == ["name", "role", "created", "begins", "with"]
    assert phone.split()[:2] == ["phone", "user"]
    assert boss.split()[:2] == ["boss", "admin"]
    assert token not in shown.stdout
    rows = json.loads(cli("keys", "list", "--format", "json").stdout)
    assert [(row["name"], row["role"]) for row in rows] == [("phone", "user"), ("boss", "admin")]
    assert rows[0].keys() == {"name", "role", "created", "start"}
    assert token.startswith(rows[0]["start"])

    gone = cli("keys", "revoke", "phone")
    assert (gone.returncode, gone.stdout) == (0, "")
    assert ring.find([token.encode()]) is None
    assert "last key" in cli("keys", "revoke", "boss").stderr


def test_no_keys(cli: Cli) -> None:
    human, machine = cli("keys", "list"), cli("keys", "list", "--format", "json")
    assert (human.returncode, human.stdout) == (0, "")
    assert "edgellm keys add NAME" in human.stderr
    assert (machine.stdout, machine.stderr) == ("[]\n", "")


def test_mistakes(cli: Cli, environment: dict[str, str]) -> None:
    cli("keys", "add", "phone")
    for args, said in (
        (("add", "phone"), "There is a key 'phone' already."),
        (("add", "a/b"), "A key cannot be named 'a/b'."),
        (("revoke", "nobody"), "There is no key 'nobody'."),
    ):
        done = cli("keys", *args)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"error: {said}\nhint: " in done.stderr
    assert cli("keys", "add", "x", "--role", "root").returncode == 2
    path = Path(environment["EDGELLM_HOME"]) / "data" / "keys.json"
    path.write_text("{")
    done = cli("keys", "list")
    assert done.returncode == 2
    assert "is damaged" in done.stderr
    assert "Traceback" not in done.stderr
    doctor = json.loads(cli("doctor", "--format", "json").stdout)
    (check,) = [check for check in doctor["checks"] if check["name"] == "API keys"]
    assert check["status"] == "warn"
