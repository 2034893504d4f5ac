//! Dead letters: messages that no repetition cures, or whose deliveries are used up. They are parked in a queue of their
//! own, with the reason as message attributes, until somebody has mended the cause and sends them on their way again.

mod kind;
mod letter;
mod queue;
mod redrive;

pub use kind::{FailureKind, UnknownFailureKind};
pub use letter::DeadLetter;
pub use queue::{DeadLetterError, DeadLetterQueue};
pub use redrive::{Filter, Redrive, Report};
