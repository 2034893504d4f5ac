//! `redrive`: moves parked messages back to the queue.

use clap::Args;
use dead_letters::{Redrive as DeadLetters, Report};

use super::{ParkedArguments, Problem, told};

/// Move parked messages back to the queue; prints how many, by what they were parked for
///
/// Look at them first (`parked`) and mend the cause, or they are parked again. Without a filter all are moved. A brand needs no
/// redrive: its row is due, or `sync` takes it up.
#[derive(Args)]
pub(crate) struct Redrive {
    #[command(flatten)]
    parked: ParkedArguments,
    /// The URL of the queue of events: the stack's output `BrandEventsQueueUrl`
    #[arg(long, env = "BRAND_EVENTS_QUEUE_URL")]
    queue_url: String,
}

impl Redrive {
    pub(crate) async fn run(self) -> Result<(), Problem> {
        let sdk = aws::operator_config().await?;
        let client = aws_sdk_sqs::Client::new(&sdk);
        let filter = self.parked.filter();
        let redrive = DeadLetters::new(client, self.parked.dead_letter_queue_url, self.queue_url);
        let progress = |report: &Report| eprintln!("{} moved so far", report.total());
        let report = redrive.run(&filter, None, progress).await;
        let report = report.map_err(|error| told(&error))?;
        for (kind, moved) in &report.moved {
            println!("{kind:<13} {moved}");
        }
        println!("{}", in_words(&report));
        if report.failed.is_empty() {
            Ok(())
        } else {
            Err(report.failed.join("; ").into())
        }
    }
}

fn in_words(report: &Report) -> String {
    let (moved, left) = (report.total(), report.left);
    let again = match report.parked_again {
        0 => String::new(),
        again => {
            format!(", of these parked again {again} (the cause is still there: see `parked`)")
        }
    };
    format!("moved {moved}{again}, left {left}")
}

#[cfg(test)]
mod tests {
    use dead_letters::{FailureKind, Report};

    use super::in_words;

    #[test]
    fn what_was_parked_again_is_not_called_left() {
        let mut report = Report {
            moved: [(FailureKind::UnknownBrand, 2)].into(),
            ..Report::default()
        };
        assert_eq!(in_words(&report), "moved 2, left 0");
        report.parked_again = 1;
        let expected =
            "moved 2, of these parked again 1 (the cause is still there: see `parked`), left 0";
        assert_eq!(in_words(&report), expected);
    }
}
