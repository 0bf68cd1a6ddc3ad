"""What documents and comments point to is there."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "packaging").rglob("*.md")]
SOURCES = [path for folder in ("src", "sim", "tests", "scripts", "models") for path in (ROOT / folder).rglob("*")
           if path.suffix in (".cpp", ".hpp", ".cu", ".py", ".rule") and path != pathlib.Path(__file__).resolve()]


def anchors(page):
    """Of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


class Documents(unittest.TestCase):
    def test_links(self):
        for page in PAGES:
            for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
                if re.match(r"https?:", target):
                    continue
                with self.subTest(page=page.name, target=target):
                    name, _, anchor = target.partition("#")
                    path = page.parent / name if name else page
                    self.assertTrue(path.exists())
                    if anchor:
                        self.assertIn(anchor, anchors(path))

    def test_sections_that_comments_cite(self):
        numbers = re.findall(r"^## (\d+)\.", (ROOT / "docs/numerics.md").read_text(encoding="utf-8"), re.MULTILINE)
        cited = set()
        for path in SOURCES:
            text = path.read_text(encoding="utf-8")
            self.assertNotRegex(text, r"(spiking|rate)_model\b", path)
            for first, last in re.findall(r"numerics\.md,? sections? (\d+)(?:-(\d+))?", text):
                cited |= {first, last or first}
        self.assertLessEqual({"1", "3", "4", "6"}, cited)
        self.assertLessEqual(cited, set(numbers))

    def test_versions_agree(self):
        found = [re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)[1]
                 for name, pattern in (("CMakeLists.txt", r"project\(lpl VERSION ([\d.]+)"),
                                       ("CITATION.cff", r"^version: (.*)$"), ("CHANGELOG.md", r"^## (.*)$"))]
        self.assertEqual(found, [found[0]] * 3)

    def test_pages_are_linked_from_the_first(self):
        first = (ROOT / "README.md").read_text(encoding="utf-8")
        for page in (ROOT / "docs").glob("*.md"):
            self.assertTrue(f"(docs/{page.name})" in first or any(f"({page.name})" in other.read_text(encoding="utf-8")
                            for other in (ROOT / "docs").glob("*.md")), page.name)


if __name__ == "__main__":
    unittest.main()
