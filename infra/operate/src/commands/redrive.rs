//! `redrive`: moves parked messages back to the queue.

use clap::Args;
use dead_letters::{FailureKind, Filter, Redrive as DeadLetters, Report};

use super::{Problem, told};

/// Move parked messages back to the queue; prints how many, by what they were parked for
///
/// Mend the cause first, or they are parked again. Without a filter all are moved. A brand needs no redrive: its row is due, or
/// `sync` takes it up.
#[derive(Args)]
pub(crate) struct Redrive {
    /// Only what was parked for this; may be given several times
    #[arg(long, value_name = "KIND", value_parser = str::parse::<FailureKind>)]
    kind: Vec<FailureKind>,
    /// Only messages that contain this text, such as a brand's id
    #[arg(long, value_name = "TEXT")]
    containing: Option<String>,
    /// At most so many
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// The URL of the queue of events: the stack's output `BrandEventsQueueUrl`
    #[arg(long, env = "BRAND_EVENTS_QUEUE_URL")]
    queue_url: String,
    /// The URL of the dead-letter queue: the stack's output `BrandEventsDeadLetterQueueUrl`
    #[arg(long, env = "BRAND_EVENTS_DLQ_URL")]
    dead_letter_queue_url: String,
}

impl Redrive {
    pub(crate) async fn run(self) -> Result<(), Problem> {
        let sdk = aws::operator_config().await?;
        let client = aws_sdk_sqs::Client::new(&sdk);
        let redrive = DeadLetters::new(client, self.dead_letter_queue_url, self.queue_url);
        let filter = Filter {
            kinds: self.kind,
            containing: self.containing,
            limit: self.limit,
        };
        let progress = |report: &Report| eprintln!("{} moved so far", report.total());
        let report = redrive.run(&filter, progress).await;
        let report = report.map_err(|error| told(&error))?;
        for (kind, moved) in &report.moved {
            println!("{kind:<12} {moved}");
        }
        println!("moved {}, left {}", report.total(), report.left);
        if report.failed.is_empty() {
            Ok(())
        } else {
            Err(report.failed.join("; ").into())
        }
    }
}
