//! `show`: a brand's row, in words.

use brand::{BrandId, BrandRow, SUBSCRIBERS, SubscriberState, SyncStore, Timestamp};
use clap::Args;
use journal::run_summary;

use super::{BrandsArguments, Problem, told};

/// Show a brand: how far its sync is, what waits and why, and when it is looked at next
#[derive(Args)]
pub(crate) struct Show {
    #[command(flatten)]
    brands: BrandsArguments,
    /// The brand
    #[arg(long)]
    id: BrandId,
}

impl Show {
    pub(crate) async fn run(self) -> Result<(), Problem> {
        let store = self.brands.brands().await?;
        let row = store.load(self.id).await.map_err(|error| told(&error))?;
        let row = row.ok_or_else(|| format!("there is no brand {}", self.id))?;
        for (name, value) in lines(&row, Timestamp::now()) {
            println!("{name:<14} {value}");
        }
        Ok(())
    }
}

fn lines(row: &BrandRow, now: Timestamp) -> Vec<(String, String)> {
    let brand = &row.brand;
    let mut lines = vec![
        ("brand".to_owned(), brand.id.to_string()),
        ("name".to_owned(), brand.name.to_string()),
        ("version".to_owned(), brand.version.to_string()),
        ("changed".to_owned(), brand.updated_at.to_string()),
    ];
    let deleted = brand
        .deleted_at
        .map(|at| ("deleted".to_owned(), at.to_string()));
    lines.extend(deleted);
    for name in SUBSCRIBERS {
        let state = row.subscriber(name);
        lines.push(((*name).to_owned(), state_of(&state, brand.version)));
        lines.extend(details(&state).map(|line| (String::new(), line)));
    }
    if let Some(until) = row.lease.as_ref().and_then(|lease| lease.until)
        && row.is_leased(now)
    {
        lines.push(("leased".to_owned(), format!("by a worker, until {until}")));
    }
    let due = row.due_at.map_or_else(
        || "not by itself".to_owned(),
        |due_at| format!("{due_at}, by the sweep"),
    );
    lines.push(("looked at".to_owned(), due));
    lines
}

fn state_of(state: &SubscriberState, version: u32) -> String {
    if let Some(mark) = state.mark_of(version) {
        let kind = mark.kind.as_str();
        return format!("{kind} since {}: {}", mark.since, mark.cause);
    }
    if state.reached >= version {
        return "synced".to_owned();
    }
    let run = state.run.as_ref().and(run_summary(state));
    match run.as_ref().and_then(|run| run.resume_at) {
        Some(at) => format!("waiting; goes on at {at}"),
        None if run.is_some() => "syncing".to_owned(),
        None => "not begun".to_owned(),
    }
}

fn details(state: &SubscriberState) -> impl Iterator<Item = String> {
    let holds = match &state.holds {
        Some(name) => format!("holds {name:?}"),
        None => "holds nothing".to_owned(),
    };
    let doubt = if state.in_doubt {
        ", as far as is known: it is read first"
    } else {
        ""
    };
    let reached = format!("reached version {}; {holds}{doubt}", state.reached);
    let run = run_summary(state);
    let errors = run.map(|run| run.errors).unwrap_or_default();
    let errors = errors
        .into_iter()
        .map(|error| format!("{}  {error}", error.at));
    let asked = state.intervention.as_ref().map(|asked| {
        let reason = asked.reason.as_deref().unwrap_or("no reason given");
        format!(
            "{}  {} asked for by {}: {reason}",
            asked.at,
            asked.action.as_str(),
            asked.by
        )
    });
    std::iter::once(reached).chain(errors).chain(asked)
}
