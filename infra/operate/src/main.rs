//! What an operator does by hand.

fn main() {}
