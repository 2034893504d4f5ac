//! Medians and quartiles.

use std::fmt;

/// The median of some numbers, and the quartiles beside it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quartiles {
    /// The lower quartile.
    pub lower: f64,
    /// The median.
    pub median: f64,
    /// The upper quartile.
    pub upper: f64,
}

impl Quartiles {
    /// Those of these numbers; none of no numbers.
    #[must_use]
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |quarters: usize| {
            sorted
                .get((sorted.len().checked_sub(1)? * quarters + 2) / 4)
                .copied()
        };
        Some(Self {
            lower: at(1)?,
            median: at(2)?,
            upper: at(3)?,
        })
    }
}

impl fmt::Display for Quartiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            lower,
            median,
            upper,
        } = self;
        write!(formatter, "{median:.2} [{lower:.2}–{upper:.2}]")
    }
}

#[cfg(test)]
mod tests {
    use super::Quartiles;

    #[test]
    fn half_of_the_numbers_lie_between_the_quartiles() {
        let numbers = [9.0, 1.0, 2.0, 3.0, 8.0, 5.0, 4.0, 6.0, 7.0];
        let expected = Quartiles {
            lower: 3.0,
            median: 5.0,
            upper: 7.0,
        };
        assert_eq!(Quartiles::of(&numbers), Some(expected));
        assert_eq!(Quartiles::of(&[]), None);
    }
}
