//! `parked`: shows the parked messages.

use brand::Timestamp;
use clap::Args;
use dead_letters::{DeadLetterQueue, FailureKind, ParkedMessage};

use super::{ParkedArguments, Problem, told};

/// The most characters of a body that are shown.
const MAX_BODY: usize = 200;

/// Show the parked messages: kind, time, brand, id, reason and the start of the body; they stay parked
///
/// While this runs, for a few seconds, no other receiver gets them, `redrive` included.
#[derive(Args)]
pub(crate) struct Parked {
    #[command(flatten)]
    parked: ParkedArguments,
}

impl Parked {
    pub(crate) async fn run(self) -> Result<(), Problem> {
        let sdk = aws::operator_config().await?;
        let client = aws_sdk_sqs::Client::new(&sdk);
        let filter = self.parked.filter();
        let queue = DeadLetterQueue::new(client, self.parked.dead_letter_queue_url);
        let found = queue
            .list(&filter, None)
            .await
            .map_err(|error| told(&error))?;
        for message in &found {
            println!("{}", in_words(message));
        }
        println!("parked: {}", found.len());
        Ok(())
    }
}

fn in_words(message: &ParkedMessage) -> String {
    let undelivered = message.kind == FailureKind::Undelivered;
    let verb = if undelivered { "sent" } else { "parked" };
    let at = message.sent_at.map_or_else(
        || "at an unknown time".to_owned(),
        |millis| Timestamp::from_millis(millis).to_string(),
    );
    let about = message.brand_id().unwrap_or_else(|| "unknown".to_owned());
    let reason = message.reason.as_deref().unwrap_or(
        "SQS gave up delivering it: its function died, panicked or was throttled each time",
    );
    format!(
        "{kind}, {verb} {at}, brand {about}\n  id      {id}\n  reason  {reason}\n  body    {body}",
        kind = message.kind,
        id = message.id,
        about = printable(&about, MAX_BODY),
        reason = printable(reason, usize::MAX),
        body = printable(&message.body, MAX_BODY),
    )
}

/// The start of a text that anybody may have sent, without what a terminal would obey.
fn printable(text: &str, most: usize) -> String {
    let shown = text.chars().take(most);
    let mut shown: String = shown
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use dead_letters::{FailureKind, ParkedMessage};

    use super::in_words;

    #[test]
    fn a_parked_message_is_shown_with_its_brand_and_reason() {
        let message = ParkedMessage {
            id: "7b0c".to_owned(),
            kind: FailureKind::UnknownBrand,
            reason: Some("there is no brand 1".to_owned()),
            sent_at: Some(1_700_000_000_123),
            body: r#"{"data": {"id": "1"}}"#.to_owned(),
        };
        let expected = "unknown_brand, parked 2023-11-14T22:13:20.123Z, brand 1\n  \
                        id      7b0c\n  reason  there is no brand 1\n  body    {\"data\": {\"id\": \"1\"}}";
        assert_eq!(in_words(&message), expected);
    }

    #[test]
    fn a_body_is_cut_and_obeyed_by_no_terminal() {
        let message = ParkedMessage {
            id: "7b0c".to_owned(),
            kind: FailureKind::Undelivered,
            reason: None,
            sent_at: None,
            body: format!("\u{1b}[2J\n{}", "ü".repeat(300)),
        };
        let shown = in_words(&message);
        assert!(shown.starts_with("undelivered, sent at an unknown time, brand unknown\n"));
        let (_, body) = shown.rsplit_once("  body    ").unwrap_or_default();
        assert_eq!(body, format!("\u{fffd}[2J\u{fffd}{}…", "ü".repeat(195)));
    }
}
