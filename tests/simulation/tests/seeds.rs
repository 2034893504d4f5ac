//! Worlds of many seeds, in a process of their own: the handlers write their metrics to its standard output.

use std::process::{Command, Stdio};

#[test]
fn every_promise_is_kept_in_each_world_and_each_world_repeats() {
    let mut worlds = Command::new(env!("CARGO_BIN_EXE_simulation"));
    let status = worlds.stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()));
}
