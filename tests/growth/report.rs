//! What is printed: tables in Markdown, as they stand in README.md.

use std::time::Duration;

use crate::{count::Count, operation::Operation};

/// One operation, with each number of brands.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) operation: Operation,
    pub(crate) cells: Vec<Cell>,
}

/// What it took or would take with so many brands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) brands: u64,
    pub(crate) count: Count,
    /// None where it is computed.
    pub(crate) time: Option<Duration>,
}

impl Line {
    /// Whether it takes the same, however many brands there are.
    fn grows(&self) -> bool {
        let counts = self.cells.iter().map(|cell| cell.count);
        counts
            .clone()
            .zip(counts.skip(1))
            .any(|(one, next)| one != next)
    }
}

/// Both tables: of what does not grow, and of what does.
pub(crate) fn tables(lines: &[Line]) -> String {
    let (growing, constant): (Vec<&Line>, Vec<&Line>) = lines.iter().partition(|line| line.grows());
    let mut text = String::from(
        "| operation | DynamoDB | SQS | rows read | RRU | WRU | $ per 1,000 | ms on the emulator, by brands |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for line in constant {
        let times: Vec<String> = line.cells.iter().filter_map(Cell::milliseconds).collect();
        if let Some(cell) = line.cells.first() {
            let (name, cost) = (line.operation.text(), cell.cost());
            let times = times.join(", ");
            text.push_str(&row(&[&name, &cost, &times]));
        }
    }
    text.push_str(
        "\n| operation | brands | DynamoDB | SQS | rows read | RRU | WRU | $ per 1,000 | ms on the emulator |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for line in growing {
        for cell in &line.cells {
            let (name, brands) = (line.operation.text(), thousands(cell.brands));
            let time = cell.milliseconds().unwrap_or("computed".to_owned());
            text.push_str(&row(&[&name, &brands, &cell.cost(), &time]));
        }
    }
    text
}

fn row(cells: &[&str]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

impl Cell {
    fn cost(&self) -> String {
        let Count {
            to_dynamodb,
            to_sqs,
            rows,
            read_halves,
            write_units,
        } = self.count;
        let half = if read_halves % 2 == 0 { "" } else { ".5" };
        format!(
            "{} | {} | {} | {}{half} | {} | {:.4}",
            thousands(to_dynamodb),
            thousands(to_sqs),
            thousands(rows),
            thousands(read_halves / 2),
            thousands(write_units),
            self.count.dollars_a_thousand(),
        )
    }

    fn milliseconds(&self) -> Option<String> {
        let millis = self.time?.as_secs_f64() * 1e3;
        Some(if millis < 10.0 {
            format!("{millis:.1}")
        } else {
            format!("{millis:.0}")
        })
    }
}

/// With a comma before each three digits.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Cell, Line, tables, thousands};
    use crate::{count::Count, operation::Operation};

    #[test]
    fn numbers_are_written_in_threes() {
        let written = [0, 999, 1000, 16_972, 1_000_000].map(thousands);
        assert_eq!(written, ["0", "999", "1,000", "16,972", "1,000,000"]);
    }

    #[test]
    fn what_grows_and_what_does_not_are_told_apart_and_what_is_computed_says_so() {
        let cell = |brands, read_halves, time| Cell {
            brands,
            count: Count {
                to_dynamodb: 8,
                read_halves,
                ..Count::default()
            },
            time,
        };
        let line = |operation, read_halves| Line {
            operation,
            cells: vec![
                cell(1000, 3, Some(Duration::from_micros(2500))),
                cell(10_000, read_halves, None),
            ],
        };
        let text = tables(&[line(Operation::Search, 5), line(Operation::IdleSweep, 3)]);
        let lines: Vec<&str> = text.lines().filter(|line| line.contains(" 8 ")).collect();
        assert_eq!(
            lines,
            [
                "| sweep, nothing unsynced | 8 | 0 | 0 | 1.5 | 0 | 0.0002 | 2.5 |",
                "| page by cursor of a `q` that finds 10 | 1,000 | 8 | 0 | 0 | 1.5 | 0 | 0.0002 | 2.5 |",
                "| page by cursor of a `q` that finds 10 | 10,000 | 8 | 0 | 0 | 2.5 | 0 | 0.0003 | computed |",
            ]
        );
    }
}
