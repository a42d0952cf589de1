"""Documents tell the truth where a test can know it: links, steps, commands, names. No file tells where it was made."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quietline import call
from quietline.cli.reference import commands

Texts = dict[Path, str]

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
STEP = re.compile(r"\((\d)\)")


def pages(texts: Texts) -> Texts:
    return {path: text for path, text in texts.items() if path.suffix == ".md"}


# Links


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to headings."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(text)}


def dead_links(root: Path, path: Path, text: str) -> Iterator[str]:
    for target in LINK.findall(text):
        name, _, anchor = target.partition("#")
        if name.startswith(("http://", "https://")):
            continue
        there = (root / path.parent / name).resolve() if name else (root / path)
        if not there.exists() or (anchor and anchor not in anchors(there.read_text())):
            yield f"{path}: {target}"


def test_every_link_leads_somewhere(root: Path, texts: Texts) -> None:
    assert [dead for path, text in pages(texts).items() for dead in dead_links(root, path, text)] == []


def test_a_dead_link_is_seen(root: Path) -> None:
    text = "[a](README.md) [b](no-such.md) [c](README.md#no-such-heading) [d](#nor-this)"
    assert len(list(dead_links(root, Path("README.md"), text))) == 3


# The story


def steps(text: str) -> list[int]:
    return sorted({int(number) for number in STEP.findall(text)})


def test_the_life_of_a_call_has_the_steps_of_the_code(root: Path) -> None:
    told = re.findall(r"^\*\*\((\d)\)", (root / "docs/life-of-a-call.md").read_text(), re.MULTILINE)
    code = Path(call.__file__).read_text()
    comments = "\n".join(line for line in code.splitlines() if line.lstrip().startswith("# ("))
    assert [int(number) for number in told] == steps(comments) == list(range(1, len(told) + 1))


def test_decisions_are_numbered_without_a_gap(root: Path) -> None:
    found = sorted((root / "docs/decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in found] == list(range(1, len(found) + 1))
    for number, path in enumerate(found, 1):
        assert path.read_text().startswith(f"# {number}. ") or f"# {number}. " in path.read_text()[:10], path.name


def test_the_architecture_is_one_page(root: Path) -> None:
    text = (root / "ARCHITECTURE.md").read_text()
    assert len(text.splitlines()) <= 60
    assert len(text.split()) <= 900


# Commands


def shell_lines(texts: Texts) -> Iterator[tuple[Path, str]]:
    """Every command line of every page's shell blocks, comments and continuations resolved."""
    for path, text in pages(texts).items():
        for language, block in FENCE.findall(text):
            if language == "sh":
                for line in block.replace("\\\n", " ").splitlines():
                    if line.strip() and not line.lstrip().startswith("#"):
                        yield path, line.split("  #")[0].strip()


def words_after(line: str, program: str) -> list[list[str]]:
    """The arguments of each call of `program` in the line."""
    parts = re.split(r"&&|\||;|\$\(", line)
    found = []
    for part in parts:
        words = [word.strip(")") for word in shlex.split(part.replace("$(", ""), posix=True)] if _closed(part) else []
        names = [word.rsplit("/", 1)[-1] for word in words]
        if program in names[:2]:
            found.append(words[names.index(program) + 1 :])
    return found


def _closed(part: str) -> bool:
    try:
        shlex.split(part)
    except ValueError:
        return False
    return True


def wrong_call(words: list[str]) -> str:
    """What is wrong with these arguments of `quietline`; "" for nothing."""
    known = dict(commands())
    name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in known), None)
    if name is None:
        return "" if words in (["--version"], ["--help"]) else f"no such command: {words}"
    options = {each for param in known[name].params for each in (*param.opts, *param.secondary_opts)} | {"--help"}
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word.split("=")[0] not in options]
    return f"{name}: no such option: {unknown}" if unknown else ""


def test_every_command_of_every_page_exists(texts: Texts) -> None:
    found = [(path, words) for path, line in shell_lines(texts) for words in words_after(line, "quietline")]
    assert len(found) > 25
    assert [(str(path), wrong_call(words)) for path, words in found if wrong_call(words)] == []


@pytest.mark.parametrize("line", ["quietline no-such", "sudo $P/quietline vault init --no-such", "quietline ledger"])
def test_a_wrong_command_is_seen(line: str) -> None:
    (words,) = words_after(line, "quietline")
    assert wrong_call(words)


def test_commands_inside_sentences_exist_too(texts: Texts) -> None:
    inline = re.compile(r"`(quietline [a-z][^`]*)`")
    found = [(path, line) for path, text in pages(texts).items() for line in inline.findall(text)]
    wrong = {
        (str(path), line): problem
        for path, line in found
        for words in words_after(line.replace("COMMAND", "status"), "quietline")
        if (problem := wrong_call(words)) and words not in (["run", "--help"],)
    }
    assert wrong == {}


def test_every_make_target_of_every_page_exists(root: Path, texts: Texts) -> None:
    targets = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), re.MULTILINE))
    asked = {words[0] for _, line in shell_lines(texts) for words in words_after(line, "make") if words}
    asked |= {name for text in pages(texts).values() for name in re.findall(r"`make ([a-z]+)`", text)}
    assert {"demo", "test", "up", "down"} <= asked
    assert asked - targets == set()


def test_the_tests_that_the_readme_names_are_there_and_collect(root: Path) -> None:
    lines = [line for _, line in shell_lines({Path("README.md"): (root / "README.md").read_text()})]
    proofs = [shlex.split(line)[3:] for line in lines if "-m pytest" in line]
    assert len(proofs) == 4, "one for each strategy"
    for proof in proofs:
        command = (sys.executable, "-m", "pytest", "--collect-only", "-q", *proof)
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stdout[-500:]
        assert "no tests" not in done.stdout


def test_the_readme_has_the_four_strategies(root: Path) -> None:
    text = (root / "README.md").read_text()
    strategies = re.findall(r"^### (.*)$", text, re.MULTILINE)
    assert strategies == ["Encryption", "Strict access control", "Regular system audits", "Training"]
    for section in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        assert "**There:**" in section
        assert "**Not yet:**" in section


def test_every_file_of_the_map_is_there(root: Path) -> None:
    rows = re.findall(r"^\| (.*?) \|", (root / "README.md").read_text().split("## Map")[1], re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`([\w./-]+)`", row)]
    assert len(names) > 12
    assert [name for name in names if not (root / name).exists() and not (root / "src/quietline" / name).exists()] == []


def test_the_picture_is_there_and_light(root: Path) -> None:
    picture = root / "docs/images/agent.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 300_000


def test_paths_named_in_documents_are_there(root: Path, texts: Texts) -> None:
    """Files of the project in backticks: `src/…`, `tests/…`, `docs/…`, `deploy/…`."""
    named = re.compile(r"`((?:src|tests|docs|deploy|bench|examples)/[\w./*-]+)`")
    found = [(path, name) for path, text in pages(texts).items() for name in named.findall(text)]
    assert [
        (str(path), name) for path, name in found if not any(root.glob(name.rstrip("/"))) and "bench/out" not in name
    ] == []


# What must not stand anywhere


def test_no_file_names_the_machine_it_was_written_on(texts: Texts) -> None:
    place = re.compile(r"(?<![\w.])/" + "(?:work|home)" + r"/[a-z]")
    assert [str(path) for path, text in texts.items() if place.search(text)] == []


def test_no_file_names_a_package_registry(texts: Texts) -> None:
    hosts = ("pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "registry" + ".npm", "index-url" + " = ")
    assert [(str(path), host) for path, text in texts.items() for host in hosts if host in text] == []


def test_lock_files_have_hashes_and_no_addresses(root: Path) -> None:
    for path in (root / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text, path.name
        assert "--hash=sha256:" in text, path.name
    packages = json.loads((root / "package-lock.json").read_text())["packages"]
    locked = {name: package for name, package in packages.items() if name}
    assert locked
    assert [name for name, package in locked.items() if "resolved" in package] == []
    assert [
        name for name, package in locked.items() if not package.get("integrity") and not package.get("optional")
    ] == []


# Fictional numbers only

RESERVED = (
    r"\+44207946\d{0,4}", r"\+441632960(\d{3})?", r"\+447700900(\d{3})?",  # Ofcom: numbers for drama
    r"\+1[2-9]\d\d55501\d\d",  # NANPA: 555-0100 to 555-0199
    r"\+999\d*", r"\+0\d*",  # nobody's: no country has them
    r"\+4402079460001",  # a London number written with its (0)
    r"\+39060{8}",  # nobody has it; Italy, for its leading 0
)  # fmt: skip
INTERNATIONAL = re.compile(r"(?<![\w+])\+[0-9](?:[ ()-]{0,2}[0-9]){7,14}(?![\w])")
NATIONAL = re.compile(r"(?<![\w.+])0(?:20[ -]?\d{4}[ -]?\d{4}|7\d{3}[ -]?\d{6}|1\d{3}[ -]?\d{6})(?![\w.])")
NATIONAL_RESERVED = re.compile(r"02079460\d{3}|020794[0-9]{5}|07700900\d{3}|01632960\d{3}")


def real_looking(text: str) -> list[str]:
    international = [re.sub(r"[ ()-]", "", found) for found in INTERNATIONAL.findall(text)]
    national = [re.sub(r"[ -]", "", found) for found in NATIONAL.findall(text)]
    wrong = [number for number in international if not any(re.fullmatch(each, number) for each in RESERVED)]
    return wrong + [number for number in national if not NATIONAL_RESERVED.fullmatch(number)]


def test_only_reserved_numbers_stand_anywhere(texts: Texts) -> None:
    looked_at = {
        path: text for path, text in texts.items() if path.parts[0] not in ("requirements", "package-lock.json")
    }
    assert {str(path): found for path, text in looked_at.items() if (found := real_looking(text))} == {}


@pytest.mark.parametrize(
    "text", ["+44 20 " + "7123 4567", "+3906" + "55501234", "020 " + "7123 4567", "07911" + " 123456"]
)
def test_a_real_looking_number_is_seen(text: str) -> None:
    assert real_looking(f"call {text} now")


@pytest.mark.parametrize(
    "text", ["+44 20 7946 0123", "+44 7700 900123", "+1 212 555 0123", "07700 900123", "2026-11-24"]
)
def test_a_reserved_one_may_stand(text: str) -> None:
    assert real_looking(f"call {text} now") == []


def test_make_help_names_every_target(root: Path) -> None:
    done = subprocess.run(("make", "help"), cwd=root, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert {"demo", "test", "up", "down", "bench", "setup"} <= {line.split()[0] for line in done.stdout.splitlines()}
