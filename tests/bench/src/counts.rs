//! Requests and connections, counted.

use std::{collections::BTreeMap, fmt};

use crate::Service;

/// How many requests of which name, and how many connections, by service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    requests: BTreeMap<(Service, String), u64>,
    connections: BTreeMap<Service, u64>,
}

impl Counts {
    pub(crate) fn request(&mut self, service: Service, name: &str) {
        *self.requests.entry((service, name.to_owned())).or_default() += 1;
    }

    pub(crate) fn connection(&mut self, service: Service) {
        *self.connections.entry(service).or_default() += 1;
    }

    /// What was counted since those counts were taken.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            requests: difference(&self.requests, &before.requests),
            connections: difference(&self.connections, &before.connections),
        }
    }

    /// The calls by name, pings left out: `PutItem 1, SendMessage 1`.
    #[must_use]
    pub fn calls(&self) -> String {
        let calls = self.requests.iter();
        let calls = calls.filter(|((_, name), _)| name != crate::service::PING);
        let calls: Vec<String> = calls
            .map(|((_, name), count)| format!("{name} {count}"))
            .collect();
        calls.join(", ")
    }

    /// The pings: requests that only open a connection.
    #[must_use]
    pub fn pings(&self) -> u64 {
        let pings = self.requests.iter();
        let pings = pings.filter(|((_, name), _)| name == crate::service::PING);
        pings.map(|(_, count)| count).sum()
    }

    /// The connections by service: `DynamoDB 1, SQS 1`.
    #[must_use]
    pub fn connections(&self) -> String {
        let each = self.connections.iter();
        let each: Vec<String> = each
            .map(|(service, count)| format!("{service} {count}"))
            .collect();
        each.join(", ")
    }

    /// All connections.
    #[must_use]
    pub fn connections_in_all(&self) -> u64 {
        self.connections.values().sum()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (calls, pings, connections) = (self.calls(), self.pings(), self.connections());
        write!(
            formatter,
            "calls: {calls}; pings: {pings}; connections: {connections}"
        )
    }
}

fn difference<K: Ord + Clone>(
    now: &BTreeMap<K, u64>,
    before: &BTreeMap<K, u64>,
) -> BTreeMap<K, u64> {
    now.iter()
        .map(|(key, count)| {
            (
                key.clone(),
                count - before.get(key).copied().unwrap_or_default(),
            )
        })
        .filter(|(_, count)| *count > 0)
        .collect()
}
