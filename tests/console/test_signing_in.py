"""Signing in, staying signed in, and what comes when the token is over."""

import unittest

import system
from pages import APP, STORED, ConsoleTest
from playwright.sync_api import Route, expect


class SigningIn(ConsoleTest):
    """The token is in memory, or in the tab's storage if the user wants that."""

    def test_a_wrong_password_is_refused_and_the_right_one_leads_to_the_brands(self) -> None:
        self.page.goto(APP)
        expect(self.page.get_by_label("Email")).to_be_focused()
        self.sign_in("not the password")
        expect(self.page.get_by_role("alert")).to_have_text("Email or password is wrong.")
        expect(self.page.get_by_label("Password")).to_be_focused()
        self.sign_in()
        expect(self.heading("Brands")).to_be_focused()

    def test_a_reload_signs_in_again_and_leads_back_to_the_same_place(self) -> None:
        self.page.goto(f"{APP}#/parked")
        self.sign_in()
        self.loaded()
        self.assertIsNone(self.page.evaluate("() => sessionStorage.length || localStorage.length || null"))
        self.assertEqual(self.page.context.cookies(), [])
        self.page.reload()
        expect(self.heading("Sign in")).to_be_visible()
        self.sign_in()
        expect(self.heading("Parked messages")).to_be_visible()

    def test_a_reload_stays_signed_in_if_the_user_wants_that_until_they_sign_out(self) -> None:
        self.page.goto(f"{APP}#/cms")
        self.sign_in(keeps=True)
        self.loaded()
        self.page.reload()
        expect(self.heading("CMS")).to_be_visible()
        self.button("Sign out").click()
        expect(self.heading("Sign in")).to_be_visible()
        self.page.reload()
        expect(self.heading("Sign in")).to_be_visible()

    def test_a_token_that_is_not_good_any_more_leads_to_the_form_and_back(self) -> None:
        self.page.goto(APP)
        self.page.evaluate("key => sessionStorage.setItem(key, 'not.good.anymore')", STORED)
        self.page.goto("about:blank")
        self.page.goto(f"{APP}#/parked")
        expect(self.page.get_by_text("Your session is over")).to_be_visible()
        self.check_accessibility("the form, after the session")
        self.sign_in()
        expect(self.heading("Parked messages")).to_be_focused()

    def test_what_was_typed_into_a_dialog_is_there_after_signing_in_again(self) -> None:
        self.open()
        name = system.unique("Typed before the session ended")

        def expired(route: Route) -> None:
            route.fulfill(status=401, json={"type": "unauthorized", "message": "Unauthorized"})

        self.button("New brand").click()
        self.name_field().fill(name)
        self.page.route("**/admin/brands", expired, times=1)
        self.button("Create").click()
        expect(self.page.get_by_text("Your session is over")).to_be_visible()
        self.sign_in()
        expect(self.name_field()).to_have_value(name)
        self.button("Create").click()
        expect(self.heading(name)).to_be_visible()


if __name__ == "__main__":
    unittest.main()
