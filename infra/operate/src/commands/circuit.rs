//! `circuit`: shows, opens and closes the circuit of the CMS.

use std::{sync::Arc, time::SystemTime};

use brand::CMS_SUBSCRIBER;
use circuit::{CircuitBreaker, CircuitConfig, DynamoDbCircuitStore, OpenedBy};
use clap::{Args, Subcommand};
use workflow::Timestamp;

use super::{Problem, told};

/// Who opens or closes it, as others see it.
const PROGRAM: &str = "operate";

/// Show, open or close the circuit of the CMS
#[derive(Args)]
pub(crate) struct Circuit {
    #[command(subcommand)]
    action: Action,
    /// The table of circuits: the stack's output `CircuitsTableName`
    #[arg(long, env = "CIRCUITS_TABLE", global = true, default_value = "")]
    circuits_table: String,
}

#[derive(Subcommand)]
enum Action {
    /// Say whether it is open, since when and why
    Show,
    /// Open it: the CMS is not called until you close it
    Open {
        /// Why, for others who look
        #[arg(long)]
        reason: String,
    },
    /// Close it: the CMS is called again
    Close {
        /// Why, for others who look
        #[arg(long)]
        reason: String,
    },
}

impl Circuit {
    pub(crate) async fn run(self) -> Result<(), Problem> {
        if self.circuits_table.is_empty() {
            return Err("give --circuits-table, or the variable CIRCUITS_TABLE".into());
        }
        let sdk = aws::operator_config().await?;
        let client = aws_sdk_dynamodb::Client::new(&sdk);
        let store = DynamoDbCircuitStore::new(client, self.circuits_table);
        let config = CircuitConfig::default();
        let breaker = CircuitBreaker::new(Arc::new(store), CMS_SUBSCRIBER, config);
        let now = now();
        match self.action {
            Action::Show => {}
            Action::Open { reason } => {
                let opened = breaker.open(PROGRAM, &reason, now).await;
                opened.map_err(|error| told(&error))?;
            }
            Action::Close { reason } => {
                let closed = breaker.close(PROGRAM, &reason, now).await;
                closed.map_err(|error| told(&error))?;
            }
        }
        let circuit = breaker.load().await.map_err(|error| told(&error))?;
        println!("{}", in_words(&circuit));
        Ok(())
    }
}

fn in_words(circuit: &circuit::Circuit) -> String {
    let Some(opening) = &circuit.open else {
        return "closed".to_owned();
    };
    let since = opening.opened_at;
    let cause = &opening.cause;
    match &opening.by {
        OpenedBy::Operator => {
            let operator = opening.operator.as_deref();
            let operator = operator.map_or(String::new(), |operator| format!(" ({operator})"));
            format!("open since {since}, by an operator{operator}, until one closes it: {cause}")
        }
        OpenedBy::System(probing) => {
            let (failed, next) = (probing.failed_probes, probing.probe_at);
            format!("open since {since}: {cause}\n{failed} probes failed; the next one at {next}")
        }
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
