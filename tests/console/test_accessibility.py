"""Every view, wide and narrow, in light and dark: without violations that axe-core finds, and without scrolling sideways."""

import os
import unittest
from pathlib import Path

import system
from pages import APP, NARROW, WIDE, ConsoleTest
from playwright.sync_api import Page, expect

PICTURES = Path(__file__).resolve().parents[2] / "functions" / "console"
MOST_BYTES = 150_000
# Colours do not depend on the width, nor the layout on the colours.
LOOKS = (("light", WIDE), ("dark", NARROW))


class Accessibility(ConsoleTest):
    """All views, with something to show on each."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(system.close_circuit)
        self.mark = system.unique("Shown")
        doomed = f"{self.mark} and refused"
        system.set_faults({"name": doomed, "kind": "permanent"})
        self.synced, self.refused = system.create(f"{self.mark} and synced"), system.create(doomed)
        system.until_state(self.synced, "synced")
        system.until_state(self.refused, "refused")
        system.send_message(f"parked {self.mark}")

    def test_no_view_has_a_violation(self) -> None:
        system.until("a message is parked", lambda: system.api("GET", "admin/parked?limit=1")["parked"])
        for scheme, (width, height) in LOOKS:
            with self.subTest(scheme=scheme, width=width):
                page = self.new_page(width, height, scheme)
                page.goto(APP)
                expect(page.get_by_label("Email")).to_be_visible()
                self.check_accessibility("the form", page)
                self.open("", page)
                self.check_views(page)
                self.check_dialogs(page)
        system.api("POST", "admin/cms/circuit", {"state": "open", "reason": "for a test"})
        waiting = system.create(f"{self.mark} and waiting")
        for scheme, (width, height) in LOOKS:
            with self.subTest(scheme=scheme, width=width, circuit="open"):
                page = self.open(f"#/brands/{waiting}", self.new_page(width, height, scheme))
                expect(page.get_by_role("region", name="Outage")).to_be_visible()
                self.check_accessibility("a brand that waits", page)
                self.show(page, "#/cms")
                self.check_accessibility("the CMS while the circuit is open", page)

    def check_views(self, page: Page) -> None:
        """All views but the form."""
        for hash in (
            "#/brands",
            "#/brands?state=refused",
            "#/brands?q=no+such+name",
            f"#/brands/{self.synced}",
            f"#/brands/{self.refused}",
            "#/cms",
            "#/parked",
        ):
            self.show(page, hash)
            self.check_accessibility(hash, page)
        page.goto(f"{APP}#/brands/00000000-0000-7000-8000-000000000000")
        expect(page.get_by_role("heading", name="Not found")).to_be_visible()
        self.check_accessibility("a brand that is not there", page)

    def check_dialogs(self, page: Page) -> None:
        """Dialogs with a field, and one without."""
        for hash, name in (
            ("#/brands", "New brand"),
            ("#/brands?state=refused", "Sync all again …"),
            (f"#/brands/{self.synced}", "Rename …"),
            (f"#/brands/{self.synced}", "Delete …"),
            ("#/cms", "Open the circuit …"),
        ):
            self.show(page, hash)
            page.get_by_role("button", name=name, exact=True).click()
            expect(page.get_by_role("dialog")).to_be_visible()
            self.check_accessibility(name, page)
            page.keyboard.press("Escape")
            expect(page.get_by_role("dialog")).to_have_count(0)

    def show(self, page: Page, hash: str) -> None:
        """Goes there."""
        page.goto(f"{APP}{hash}")
        self.loaded(page)


@unittest.skipUnless(os.environ.get("CONSOLE_PICTURES"), "CONSOLE_PICTURES=1 takes the README's pictures")
class Pictures(ConsoleTest):
    """The README's pictures."""

    def test_pictures_are_taken(self) -> None:
        refused = "Soylent Foods"
        system.set_faults({"name": refused, "kind": "permanent"})
        names = ("Acme", "Globex", "Initech", "Umbrella", "Hooli", "Wonka Industries", "Stark Optics", refused, "Tyrell")
        ids = {name: system.create(name) for name in names}
        for name, id in ids.items():
            system.until_state(id, "refused" if name == refused else "synced")
        for file, hash in (("brands", ""), ("brand", f"#/brands/{ids[refused]}")):
            page = self.open(hash, self.new_page(1200, 860))
            page.mouse.move(0, 0)
            path = PICTURES / f"{file}.png"
            page.screenshot(path=path)
            self.assertLess(path.stat().st_size, MOST_BYTES, path)


if __name__ == "__main__":
    unittest.main()
