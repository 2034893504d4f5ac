//! `reconcile`: begins a reconciliation, and shows how it gets on and what it has found.

use std::time::Duration;

use brand::{CMS_SUBSCRIBER, Timestamp};
use clap::Args;
use reconcile::{Class, DynamoDbReconciliationStore, Inbox, ReconciliationView, Report, Request};
use tokio::time::sleep;

use super::{Problem, told};

/// Who asks for it, as others see it.
const PROGRAM: &str = "operate";
/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Compare the brands with the CMS, and mend what the policies say
#[derive(Args)]
pub(crate) struct Reconcile {
    /// Only report: change nothing, whatever the policies say
    #[arg(long)]
    dry_run: bool,
    /// Begin none: show the one that is under way, or the last one
    #[arg(long, conflicts_with = "dry_run")]
    show: bool,
    /// The table of circuits: the stack's output `CircuitsTableName`
    #[arg(long, env = "CIRCUITS_TABLE")]
    circuits_table: String,
}

impl Reconcile {
    pub(crate) async fn run(self) -> Result<(), Problem> {
        let sdk = aws::operator_config().await?;
        let client = aws_sdk_dynamodb::Client::new(&sdk);
        let store = DynamoDbReconciliationStore::new(client, self.circuits_table);
        let request = Request {
            by: PROGRAM.to_owned(),
            at: Timestamp::now(),
            dry_run: self.dry_run,
        };
        if !self.show {
            let asked = store.ask(CMS_SUBSCRIBER, &request).await;
            asked.map_err(|error| told(&error))?;
            println!("asked for: it begins within a minute; Ctrl-C leaves it under way");
        }
        let mut shown = String::new();
        loop {
            let read = ReconciliationView::read(&store).await;
            let view = read.map_err(|error| told(&error))?;
            let is_ours = |report: &Report| self.show || report.request == request;
            let report = view.report.as_ref().filter(|report| is_ours(report));
            let is_over = matches!(view.state, "never" | "done" | "stopped");
            match report {
                Some(report) if report.ended_at.is_some() || self.show => {
                    println!("{}", in_words(&view, report));
                    return match &report.stopped {
                        Some(_) => Err("it has stopped".into()),
                        None => Ok(()),
                    };
                }
                Some(report) => {
                    let line = progress(&view, report);
                    if line != shown {
                        println!("{line}");
                        shown = line;
                    }
                }
                None if self.show => {
                    println!("there was none");
                    return Ok(());
                }
                None if is_over => return Err("another one was asked for meanwhile".into()),
                None => {}
            }
            sleep(LOOK).await;
        }
    }
}

fn progress(view: &ReconciliationView, report: &Report) -> String {
    let does = if view.mends { "mends" } else { "looks at" };
    let stage = view.stage.unwrap_or_default().replace('_', " ");
    let (brands, entries, repairs) = (report.brands, report.entries, report.repairs());
    let waits = report.waits_for.as_ref();
    let waits = waits.map_or(String::new(), |cause| format!("; waits: {cause}"));
    format!("{does} {stage}: {brands} brands, {entries} entries, {repairs} mended{waits}")
}

fn in_words(view: &ReconciliationView, report: &Report) -> String {
    let mut lines = vec![format!(
        "{}: {} brands, {} entries, {} requests to the CMS; asked for by {} at {}{}",
        view.state.replace('_', " "),
        report.brands,
        report.entries,
        report.requests,
        report.request.by,
        report.request.at,
        if report.request.dry_run {
            ", to look only"
        } else {
            ""
        },
    )];
    lines.extend(
        report
            .stopped
            .iter()
            .map(|reason| format!("stopped: {reason}")),
    );
    lines.extend(
        report
            .waits_for
            .iter()
            .map(|reason| format!("waits: {reason}")),
    );
    for class in Class::ALL {
        let count = report.counts.get(&class).copied().unwrap_or_default();
        if count == 0 {
            continue;
        }
        let mended = report.repaired.get(&class).copied().unwrap_or_default();
        let mended = if mended > 0 {
            format!(", {mended} mended")
        } else {
            String::new()
        };
        lines.push(format!(
            "{count:>8} {}{mended}",
            class.as_str().replace('_', " ")
        ));
        for example in report
            .examples
            .iter()
            .filter(|example| example.class == class)
        {
            let quoted = |name: &Option<String>| {
                name.as_ref()
                    .map_or_else(|| "-".to_owned(), |name| format!("{name:?}"))
            };
            let id = example.id.as_ref().or(example.entry.as_ref());
            let note = example.note.as_ref();
            lines.push(format!(
                "           {} here {}, there {}, agreed {}{}",
                id.map_or("-", String::as_str),
                quoted(&example.here),
                quoted(&example.there),
                quoted(&example.agreed),
                note.map_or(String::new(), |note| format!(": {note}")),
            ));
        }
    }
    let (drift, lasting, not) = (view.drift, report.lasting, report.not_repaired);
    lines.push(format!(
        "{drift} differences are left; {lasting} of them were there the last time; {not} could not be mended"
    ));
    if report.unreadable > 0 {
        lines.push(format!("{} rows cannot be read", report.unreadable));
    }
    lines.join("\n")
}
