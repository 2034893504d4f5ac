//! Checking passwords does not make the process grow.

#![cfg(target_os = "linux")] // which tells in /proc how large a process is
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use users::{Argon2id, PasswordHash, Passwords};

/// KiB of the process that are in memory.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let value = line.unwrap().trim().trim_end_matches(" kB");
    value.parse().unwrap()
}

/// A Lambda runtime sets an environment variable for each invocation, and glibc never frees those. If each check allocated its
/// 19 MiB anew, such a small block would settle in the space that the last check has freed, and the next 19 MiB would go elsewhere.
#[test]
fn small_blocks_that_are_never_freed_do_not_make_each_check_take_new_memory() {
    let (argon2id, hash) = (Argon2id::new(), PasswordHash::of_nobody());
    let check = |length: usize| {
        assert!(!argon2id.verify("wrong", &hash));
        Box::leak(vec![b'x'; length].into_boxed_slice());
    };
    (0..3).for_each(check);
    let before = resident();
    (0..40).map(|index| 64 + 1000 * (index % 5)).for_each(check);
    let grown = resident().saturating_sub(before);
    println!("grown by {grown} KiB");
    assert!(grown < 8 * 1024, "grown by {grown} KiB");
}
