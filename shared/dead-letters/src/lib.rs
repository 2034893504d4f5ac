//! Dead letters: messages that cannot be worked on. They are parked in a queue of their own, with the reason as message
//! attributes, until an operator has mended the cause and redrives them.

mod kind;
mod letter;
mod queue;
mod redrive;

pub use kind::{FailureKind, UnknownFailureKind};
pub use letter::{DeadLetter, ParkedMessage};
pub use queue::{DeadLetterError, DeadLetterQueue};
pub use redrive::{Filter, Redrive, Report};
