//! What is kept of a password, and checking one against it.

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version,
    password_hash::{
        self,
        phc::{self, Output, ParamsString, Salt},
    },
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{NewPassword, password};

/// A salted hash of a password with Argon2id, as a PHC string: it names the parameters it was made with. Its `Debug` hides it.
///
/// Whoever can write to the table chooses these parameters, so they are bounded: a row must not use up the memory or the time of the
/// function that reads it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PasswordHash(phc::PasswordHash);

/// The hash of nobody's password: 32 random bytes. Made like those of [`Argon2id::hash`], so that it takes as long to check.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$jr4Zt8ifsftlqGEX4UcpRg$bcxzSWbqq/Z31MUPOISWuX9eus/BT6wHKSQKNGzCm6M";

impl PasswordHash {
    /// The most KiB of memory that a hash may ask for: 64 MiB, more than three times what ours take.
    pub const MAX_MEMORY: u32 = 64 * 1024;
    /// The most passes over that memory. With 64 MiB they take about a second.
    pub const MAX_PASSES: u32 = 10;

    /// The hash to check a password against where there is no user, so that an email that nobody has takes as long to refuse
    /// as a wrong password. No password fits it.
    #[must_use]
    #[expect(
        clippy::missing_panics_doc,
        clippy::expect_used,
        reason = "a constant, which a test parses"
    )]
    pub fn of_nobody() -> Self {
        NOBODYS.parse().expect("a PHC string")
    }
}

impl FromStr for PasswordHash {
    type Err = InvalidPasswordHash;

    fn from_str(text: &str) -> Result<Self, InvalidPasswordHash> {
        let hash = phc::PasswordHash::new(text).map_err(|_| InvalidPasswordHash)?;
        let hash = Self(hash);
        let recipe = hash.recipe().ok_or(InvalidPasswordHash)?;
        let params = recipe.argon2.params();
        let is_bounded = params.m_cost() <= Self::MAX_MEMORY && params.t_cost() <= Self::MAX_PASSES;
        is_bounded.then_some(hash).ok_or(InvalidPasswordHash)
    }
}

/// What it takes to compute a hash again.
struct Recipe<'hash> {
    argon2: Argon2<'static>,
    salt: &'hash Salt,
    output: &'hash Output,
}

impl PasswordHash {
    fn recipe(&self) -> Option<Recipe<'_>> {
        let version = self.0.version.map(Version::try_from).transpose().ok()?;
        let params = Params::try_from(&self.0).ok()?;
        let argon2 = Argon2::new(Algorithm::Argon2id, version.unwrap_or_default(), params);
        (self.0.algorithm == ARGON2ID_IDENT).then_some(())?;
        Some(Recipe {
            argon2,
            salt: self.0.salt.as_ref()?,
            output: self.0.hash.as_ref()?,
        })
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordHash(***)")
    }
}

impl TryFrom<String> for PasswordHash {
    type Error = InvalidPasswordHash;

    fn try_from(text: String) -> Result<Self, InvalidPasswordHash> {
        text.parse()
    }
}

impl From<PasswordHash> for String {
    fn from(hash: PasswordHash) -> Self {
        hash.0.to_string()
    }
}

/// A text is not a hash of a password with Argon2id, or asks for too much memory or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a PHC string of Argon2id within the bounds of memory and passes")]
pub struct InvalidPasswordHash;

/// A password could not be hashed: the machine gave no random bytes or no memory.
#[derive(Clone, Debug, Error)]
#[error("the password could not be hashed")]
pub struct HashError(#[source] Arc<password_hash::Error>);

/// A way to check passwords. A port, so that a test can count how often one is checked.
pub trait Passwords: Send + Sync {
    /// Whether the hash is that password's, in whichever Unicode form the password was typed.
    fn verify(&self, password: &str, hash: &PasswordHash) -> bool;
}

/// Argon2id, with OWASP's parameters: 19 MiB of memory, two passes, one lane.
///
/// Source: OWASP Password Storage Cheat Sheet. To check a password, the parameters are taken from its hash, so ours can be raised; an
/// older hash stays as it is until `operate set-password`.
///
/// A hash takes a processor some tens of milliseconds, during which the thread does nothing else. In a Lambda function no other
/// request waits for it: an environment has one request at a time.
///
/// The memory is allocated for the first hash, kept, and used again; it grows where a stored hash asks for more, up to
/// [`PasswordHash::MAX_MEMORY`]. Allocated anew for each hash, it would make the process grow until it is killed: small blocks that are
/// never freed, as glibc's `setenv` leaves them, settle in the space of the last hash, and the next one no longer fits there. Hence one
/// hash at a time, behind a lock.
///
/// The memory is not wiped in between. What it holds after the last pass makes guessing no cheaper than the hash does, the next hash
/// overwrites it, and a reader of the process's memory would find the secret that signs tokens.
#[derive(Default)]
pub struct Argon2id {
    blocks: Mutex<Vec<Block>>,
}

impl Argon2id {
    /// KiB of memory.
    const MEMORY: u32 = 19 * 1024;
    const PASSES: u32 = 2;
    const LANES: u32 = 1;

    /// Without memory so far: the first hash allocates it, so a start is not slowed down.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Hashes a password, with a new random salt.
    pub fn hash(&self, password: &NewPassword) -> Result<PasswordHash, HashError> {
        self.try_hash(password)
            .map_err(|error| HashError(Arc::new(error)))
    }

    fn try_hash(&self, password: &NewPassword) -> Result<PasswordHash, password_hash::Error> {
        let length = Some(Params::DEFAULT_OUTPUT_LEN);
        let params = Params::new(Self::MEMORY, Self::PASSES, Self::LANES, length)?;
        let salt = Salt::new(&password_hash::try_generate_salt()?)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let output = self.output(&argon2, password.as_bytes(), &salt)?;
        Ok(PasswordHash(phc::PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(argon2.params())?,
            salt: Some(salt),
            hash: Some(output),
        }))
    }

    fn output(
        &self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &Salt,
    ) -> Result<Output, password_hash::Error> {
        let length = argon2.params().output_len();
        let mut buffer = [0; Output::MAX_LENGTH];
        let output = buffer
            .get_mut(..length.unwrap_or(Params::DEFAULT_OUTPUT_LEN))
            .ok_or(password_hash::Error::OutputSize)?;
        // What a thread that panicked left in the blocks does not matter: each hash writes them before it reads them.
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let needed = argon2.params().block_count();
        if blocks.len() < needed {
            // Not `resize`, which would keep the old blocks while it copies them, and not `vec!`, which aborts without memory.
            *blocks = Vec::new();
            let reserved = blocks.try_reserve_exact(needed);
            reserved.map_err(|_| argon2::Error::OutOfMemory)?;
            blocks.resize(needed, Block::new());
        }
        argon2.hash_password_into_with_memory(password, salt, output, blocks.as_mut_slice())?;
        Ok(Output::new(output)?)
    }
}

impl fmt::Debug for Argon2id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Argon2id(***)")
    }
}

impl Passwords for Argon2id {
    /// A password that is too long fits no hash, and is neither normalized nor hashed. That it is refused sooner tells only how long it
    /// is, whether there is a user or not.
    fn verify(&self, password: &str, hash: &PasswordHash) -> bool {
        let (Ok(password), Some(recipe)) = (password::normalized(password), hash.recipe()) else {
            return false;
        };
        let output = self.output(&recipe.argon2, password.as_bytes(), recipe.salt);
        // `Output` compares in constant time.
        output.is_ok_and(|output| output == *recipe.output)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use super::{Argon2id, InvalidPasswordHash, PasswordHash, Passwords};
    use crate::NewPassword;

    /// Made by the reference implementation, with parameters that are not ours: the password is "password".
    const FOREIGN: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    fn hash(password: &str) -> PasswordHash {
        Argon2id::new()
            .hash(&NewPassword::parse(password).unwrap())
            .unwrap()
    }

    fn fits(password: &str, hash: &PasswordHash) -> bool {
        Argon2id::new().verify(password, hash)
    }

    #[test]
    fn a_password_fits_its_hash_and_no_other_does() {
        let hash = hash("supersecret");
        assert!(fits("supersecret", &hash));
        for other in ["", "Supersecret", "supersecret ", "supersecre"] {
            assert!(!fits(other, &hash), "{other}");
        }
    }

    /// Recorded from Unicode's `NormalizationTest.txt` and from what keyboards send: composed, decomposed, in full width.
    #[test]
    fn a_password_fits_in_whichever_unicode_form_it_is_typed() {
        for (set, typed) in [
            ("p\u{e4}ssw\u{f6}rd", "pa\u{308}sswo\u{308}rd"),
            (
                "password",
                "\u{ff50}\u{ff41}\u{ff53}\u{ff53}\u{ff57}\u{ff4f}\u{ff52}\u{ff44}",
            ),
            ("of\u{fb01}ce 12", "office 12"),
            ("\u{212b}ngstr\u{f6}m", "A\u{30a}ngstro\u{308}m"),
            ("\u{1e9b}\u{323}password", "\u{1e69}password"),
            (
                "\u{d55c}\u{ae00} 12345",
                "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}\u{3000}12345",
            ),
        ] {
            assert!(fits(typed, &hash(set)), "set {set:?}, typed {typed:?}");
            assert!(fits(set, &hash(typed)), "set {typed:?}, typed {set:?}");
        }
        let composed = hash("p\u{e4}ssw\u{f6}rd");
        assert!(!fits("passwo\u{308}rd", &composed));
        assert!(!fits("P\u{e4}ssw\u{f6}rd", &composed));
    }

    #[test]
    fn a_password_that_is_too_long_fits_no_hash_and_is_not_hashed() {
        let argon2id = Argon2id::new();
        let hash = hash("supersecret");
        // U+FDFA is 3 bytes, and 33 in NFKC.
        for text in [
            "p".repeat(90 * 1024),
            "p".repeat(1025),
            "\u{fdfa}".repeat(32),
        ] {
            assert!(!argon2id.verify(&text, &hash));
        }
        assert!(argon2id.blocks.lock().unwrap().is_empty());
        assert!(!argon2id.verify(&"p".repeat(1024), &hash));
        assert!(!argon2id.blocks.lock().unwrap().is_empty());
    }

    #[test]
    fn the_same_memory_is_used_for_every_hash() {
        let argon2id = Argon2id::new();
        let memory = || {
            let blocks = argon2id.blocks.lock().unwrap();
            (blocks.as_ptr(), blocks.len())
        };
        let ours = argon2id
            .hash(&NewPassword::parse("supersecret").unwrap())
            .unwrap();
        let first = memory();
        assert_eq!(first.1, 19 * 1024);
        // A foreign hash that needs less, the same again, a wrong password, no user.
        assert!(argon2id.verify("password", &FOREIGN.parse().unwrap()));
        assert!(argon2id.verify("supersecret", &ours));
        assert!(!argon2id.verify("wrong", &ours));
        assert!(!argon2id.verify("wrong", &PasswordHash::of_nobody()));
        assert_eq!(memory(), first);
    }

    #[test]
    fn memory_grows_where_a_hash_asks_for_more_and_stays_then() {
        let argon2id = Argon2id::new();
        assert!(argon2id.verify("password", &FOREIGN.parse().unwrap()));
        assert_eq!(argon2id.blocks.lock().unwrap().len(), 256);
        assert!(argon2id.verify("supersecret", &hash("supersecret")));
        assert_eq!(argon2id.blocks.lock().unwrap().capacity(), 19 * 1024);
        assert!(argon2id.verify("password", &FOREIGN.parse().unwrap()));
        assert_eq!(argon2id.blocks.lock().unwrap().capacity(), 19 * 1024);
    }

    #[test]
    fn a_thread_that_panics_does_not_stop_others_from_signing_in() {
        let argon2id = Argon2id::new();
        std::thread::scope(|scope| {
            let holding = scope.spawn(|| {
                let _blocks = argon2id.blocks.lock().unwrap();
                panic!("on purpose");
            });
            assert!(holding.join().is_err());
        });
        assert!(argon2id.blocks.is_poisoned());
        assert!(argon2id.verify("password", &FOREIGN.parse().unwrap()));
    }

    #[test]
    fn a_hash_is_salted_and_says_how_it_was_made() {
        let (first, second) = (
            String::from(hash("supersecret")),
            String::from(hash("supersecret")),
        );
        assert_ne!(first, second);
        assert!(
            first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{first}"
        );
        let parsed: PasswordHash = first.parse().unwrap();
        assert!(fits("supersecret", &parsed));
    }

    #[test]
    fn parameters_are_those_of_the_hash() {
        let foreign: PasswordHash = FOREIGN.parse().unwrap();
        assert!(fits("password", &foreign));
        assert!(!fits("passwore", &foreign));
    }

    #[test]
    fn nobodys_hash_is_made_as_everybodys() {
        let (nobodys, somebodys) = (PasswordHash::of_nobody().0, hash("supersecret").0);
        assert_eq!(nobodys.algorithm, somebodys.algorithm);
        assert_eq!(nobodys.version, somebodys.version);
        assert_eq!(nobodys.params, somebodys.params);
        let length =
            |hash: argon2::password_hash::phc::PasswordHash| hash.hash.map(|output| output.len());
        assert_eq!(length(nobodys), length(somebodys));
        assert!(!fits("", &PasswordHash::of_nobody()));
    }

    #[test]
    fn what_cannot_be_checked_is_no_hash() {
        let hashes = [
            "",
            "supersecret",
            "$argon2id$v=19$m=19456,t=2,p=1",
            FOREIGN.trim_end_matches("$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"),
            &FOREIGN.replace("argon2id", "argon2i"),
            &FOREIGN.replace("argon2id", "scrypt"),
            &FOREIGN.replace("m=256", "m=1"),
            &FOREIGN.replace("v=19", "v=20"),
            // Would take 4 TiB of memory, or days.
            &FOREIGN.replace("m=256", "m=4294967295"),
            &FOREIGN.replace("m=256", "m=65537"),
            &FOREIGN.replace("t=2", "t=11"),
            &FOREIGN.replace("t=2", "t=4294967295"),
            &FOREIGN.replace("p=1", "p=16777215"),
        ];
        for hash in hashes {
            assert_eq!(
                hash.parse::<PasswordHash>(),
                Err(InvalidPasswordHash),
                "{hash}"
            );
        }
    }

    #[test]
    fn a_hash_may_ask_for_memory_and_passes_up_to_the_bounds() {
        for hash in [
            FOREIGN.replace("m=256", "m=65536"),
            FOREIGN.replace("t=2", "t=10"),
        ] {
            assert!(hash.parse::<PasswordHash>().is_ok(), "{hash}");
        }
    }

    #[test]
    fn a_hash_does_not_show_itself() {
        assert_eq!(
            format!("{:?}", PasswordHash::of_nobody()),
            "PasswordHash(***)"
        );
    }
}
