//! What an operation takes.

use std::{iter::Sum, ops::Add};

/// Requests, rows and units of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Requests to DynamoDB.
    pub(crate) to_dynamodb: u64,
    /// Requests to SQS.
    pub(crate) to_sqs: u64,
    /// Rows read, of the table or an index.
    pub(crate) rows: u64,
    /// Read units, in halves.
    pub(crate) read_halves: u64,
    /// Write units, those of the indexes included.
    pub(crate) write_units: u64,
}

/// Dollars for a million read units, write units and requests to SQS: as in infra/COSTS.md.
const READS: f64 = 0.125;
const WRITES: f64 = 0.625;
const MESSAGES: f64 = 0.40;

impl Count {
    /// Read units.
    pub(crate) fn read_units(&self) -> f64 {
        number(self.read_halves) / 2.0
    }

    /// Write units, to be compared with those of which DynamoDB tells.
    pub(crate) fn write(&self) -> f64 {
        number(self.write_units)
    }

    /// What a thousand such operations cost, in dollars: DynamoDB and SQS alone.
    pub(crate) fn dollars_a_thousand(&self) -> f64 {
        let of_a_million = self.read_units() * READS
            + number(self.write_units) * WRITES
            + number(self.to_sqs) * MESSAGES;
        of_a_million / 1e3
    }
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            to_dynamodb: self.to_dynamodb + other.to_dynamodb,
            to_sqs: self.to_sqs + other.to_sqs,
            rows: self.rows + other.rows,
            read_halves: self.read_halves + other.read_halves,
            write_units: self.write_units + other.write_units,
        }
    }
}

impl Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]
const fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn a_thousand_operations_cost_a_thousandth_of_a_million() {
        let count = Count {
            read_halves: 4,
            write_units: 3,
            to_sqs: 1,
            ..Count::default()
        };
        let cents = count.dollars_a_thousand() * 100.0;
        assert!((cents - 0.2525).abs() < 1e-9, "{cents}");
    }
}
