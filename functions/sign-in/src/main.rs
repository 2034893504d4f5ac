//! The Lambda function `sign-in`.

fn main() {}
