"""What pip installs is what the lists for people name, each file of it known by its hash."""

import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LISTS = [path for folder in ("infra", "tests") for path in sorted((ROOT / folder).glob("*/*requirements.in"))]


class Requirements(unittest.TestCase):
    """Each requirements.in, beside the requirements.txt that is written from it."""

    def test_every_package_has_a_version_and_a_hash(self) -> None:
        self.assertEqual(len(LISTS), 6)
        for path in LISTS:
            text = path.with_suffix(".txt").read_text()
            packages = re.split(r"^(?=[^ #\n])", text, flags=re.MULTILINE)[1:]
            self.assertGreater(len(packages), 1, path)
            for package in packages:
                self.assertRegex(package, r"\A[a-z0-9._-]+==\S+ .*\\\n    --hash=sha256:[0-9a-f]{64}", path)

    def test_what_is_asked_for_is_what_is_installed(self) -> None:
        for path in LISTS:
            installed = path.with_suffix(".txt").read_text()
            for name, version in re.findall(r"^([\w-]+)(?:\[.*\])?==(\S+)", path.read_text(), re.MULTILINE):
                self.assertRegex(installed, rf"(?m)^{name.replace('_', '-').lower()}=={re.escape(version)} ", path)


if __name__ == "__main__":
    unittest.main()
