# tests/consistency/test_docs.py — documents, help texts and the code's own tables agree. Needs a tarn binary (TARN, or a build folder); no server.
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES += sorted(page for pattern in ("docs/*.md", "src/**/README.md", "tests/**/README.md") for page in ROOT.glob(pattern) if "/." not in str(page.relative_to(ROOT)))


def text(path):
    return (ROOT / path).read_text()


def anchor(heading):
    """As the usual Markdown viewers make it from a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower().replace("`", "")).replace(" ", "-")


@pytest.mark.parametrize("page", ["configuration.md", "commands.md", "errors.md"])
def test_made_pages_are_fresh(gen_docs, page):
    assert text(f"docs/{page}") == gen_docs.PAGES[page](), "run: tools/gen-docs"


def test_errors_as_the_program_says(gen_docs):
    """errors.def, read by a regular expression for the page, is what the program was built from."""
    listed = [line.split(None, 2) for line in gen_docs.tarn("help", "exit-codes").splitlines()[2:]]
    assert [(int(status), name, meaning) for status, name, meaning in listed] == [(e, n, m) for n, _, _, _, e, m in gen_docs.error_rows()]


def test_every_command_has_examples(gen_docs):
    names = gen_docs.commands()
    assert {"init", "doctor", "run", "status", "sql", "table", "journal", "verify", "generate", "config", "version"} <= set(names)
    for name in names:
        examples = gen_docs.help_of(name).split("Examples:\n")
        assert len(examples) == 2, f"tarn help {name} has no examples"
        lines = [line for line in examples[1].split("\n\n")[0].splitlines() if line.strip()]
        assert lines and any(f"tarn {name}" in line or f" {name}" in line for line in lines), f"the examples of {name} do not show it"


def test_examples_use_options_that_exist(gen_docs):
    for name in gen_docs.commands():
        help_text = gen_docs.tarn("help", name)
        options = set(re.findall(r"^ +(?:-\w, )?--([\w-]+)", help_text.split("options", 1)[1], re.M))
        for example in help_text.split("Examples:\n")[1].split("\n\n")[0].splitlines():
            used = re.findall(r"(?<!\S)--([\w-]+)", re.sub(r"\"[^\"]*\"|'[^']*'", "", example.split(" | ")[0]))
            assert set(used) <= options, f"tarn help {name}: {example.strip()}"


def links(path):
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", path.read_text(), flags=re.S))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in links(page):
        assert "://" not in link, f"{link}: no addresses of the outside"
        target, _, part = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), link
        if part:
            headings = re.findall(r"^#+ (.*)$", file.read_text(), re.M)
            assert part in [anchor(h) for h in headings], f"{link}: no such heading"


def test_every_document_is_reachable_from_the_readme():
    named = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    for page in ROOT.glob("docs/*.md"):
        assert page in named, f"README.md does not name docs/{page.name}"


def test_metrics():
    """Names, kinds and labels of src/pipeline/run_metrics.c are the table in docs/operations.md."""
    code = text("src/pipeline/run_metrics.c")
    made = set(re.findall(r'\b(gauge|counter)\("(\w+)"', code))
    rows = re.findall(r"^\| `(tarn_\w+)` \| (\w+) \| ([\w, ]*)\|", text("docs/operations.md"), re.M)
    assert made == {(kind, name) for name, kind, _ in rows}
    assert len(rows) == len(made)


def test_status_words():
    """States that documents explain are the ones the code names."""
    page = text("docs/delivery.md")
    names = re.search(r"table_state_name.*?names\[\] = \{(.*?)\}", text("src/pipeline/pipe_table.c"), re.S).group(1)
    documented = re.search(r"## States of a table\n(.*?)\n## ", page, re.S).group(1)
    assert re.findall(r'"(\w+)"', names) == re.findall(r"^\| `(\w+)` \|", documented, re.M)
    names = re.search(r"source_state_name.*?names\[\] = \{(.*?)\}", text("src/pipeline/source.c"), re.S).group(1)
    line = next(line for line in text("docs/operations.md").splitlines() if line.startswith("States of a source:"))
    assert re.findall(r'"([\w ]+)"', names) == re.findall(r"`([\w ]+)`", line)


def test_table_properties():
    keys = set(re.findall(r'#define LAKE_KEY_\w+ "(tarn\.[\w-]+)"', text("src/lake/lake.h")))
    documented = re.search(r"## What a table says about itself\n(.*?)\n## ", text("docs/tables.md"), re.S).group(1)
    assert keys == set(re.findall(r"`(tarn\.[\w-]+)`", "\n".join(line for line in documented.splitlines() if line.startswith("|"))))


def test_changelog_columns():
    code = text("src/lake/changelog.c").split("fields[CHANGELOG_FIELDS]", 1)[1].split("};", 1)[0]
    documented = re.search(r"## Columns of a changelog\n(.*?)\n## ", text("docs/tables.md"), re.S).group(1)
    assert re.findall(r'"(_\w+)"', code) == re.findall(r"^\| `(_\w+)` \|", documented, re.M)


def test_options_named_in_documents_exist(gen_docs):
    known = set(re.findall(r"^### `([\w.]+)`", gen_docs.tarn("config", "reference"), re.M))
    sections = {k.split(".")[0] for k in known if "." in k}
    for page in PAGES:
        for option in re.findall(r"`((?:%s)\.[a-z_]+)(?::[^`]*)?`" % "|".join(sections), page.read_text()):
            assert option in known or re.search(r"\.(c|h|def|db|json)$", option) or option.split(".")[1] in ("mode", "def"), f"{page.name}: {option}"


def test_commands_named_in_documents_exist(gen_docs):
    known = set(gen_docs.commands()) | {"worker"}
    for page in PAGES:
        for command in re.findall(r"`tarn (?:-c \S+ )?([a-z]+)[ `]", page.read_text()):
            assert command in known, f"{page.name}: tarn {command}"
    for path in sorted(ROOT.glob("src/**/*.c")):
        for command in re.findall(r"(?:with|again|run): tarn ([a-z]+)", path.read_text()):
            assert command in known, f"{path.name}: tarn {command}"


def test_options_and_sample_agree(gen_docs):
    """Each option of the reference stands in the sample, commented or not."""
    sample = gen_docs.tarn("config", "sample")
    for key in re.findall(r"^### `([\w.]+)`", gen_docs.tarn("config", "reference"), re.M):
        assert re.search(rf"^ *#? ?{key.split('.')[-1]}:", sample, re.M), f"{key} is not in the sample"


def test_make_targets_named_in_documents_exist():
    targets = set(re.findall(r"^([a-z][\w-]*):", text("Makefile"), re.M))
    for page in PAGES:
        for target in re.findall(r"`(?:sudo )?make ([a-z][\w-]*)[ `]|^    (?:sudo )?make ([a-z][\w-]*)\b", page.read_text(), re.M):
            assert (target[0] or target[1]) in targets, f"{page.name}: make {target}"


def test_files_named_in_documents_exist():
    """Paths in backquotes that look like ours: src/..., tests/..., tools/..., and module/file.c of src."""
    tracked = set(subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split())
    for page in PAGES:
        for name in re.findall(r"`((?:src|tests|tools|bench|docs|changes)/[\w./-]+?|\w+/\w+\.[ch])`", page.read_text()):
            if "NAME" in name:
                continue
            found = name.rstrip("/") in tracked or (ROOT / name).is_dir() or f"src/{name}" in tracked
            assert found, f"{page.name}: {name}"
