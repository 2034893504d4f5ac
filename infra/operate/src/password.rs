//! Asking for a password. It is no argument: those are seen by everybody on the machine, and kept by shells.

use std::io::{IsTerminal, Read, stdin};

use users::NewPassword;

use crate::commands::Problem;

/// The password that is typed on the terminal, twice and without echo; where standard input is none, its text up to the
/// line break at its end.
pub(crate) fn ask() -> Result<NewPassword, Problem> {
    let typed = if stdin().is_terminal() {
        let typed = rpassword::prompt_password("Password: ")?;
        if typed != rpassword::prompt_password("Password, again: ")? {
            return Err("the passwords are not the same".into());
        }
        typed
    } else {
        let mut text = String::new();
        stdin().take(64 * 1024).read_to_string(&mut text)?;
        without_line_break(&text).to_owned()
    };
    Ok(NewPassword::parse(typed)?)
}

fn without_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::without_line_break;

    #[test]
    fn one_line_break_at_the_end_is_no_part_of_the_password() {
        for (text, password) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            (" s \n\n", " s \n"),
        ] {
            assert_eq!(without_line_break(text), password);
        }
    }
}
