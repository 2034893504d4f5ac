//! What a workflow runs in: the clients and ports its steps use.

/// The world that the steps of a workflow act on: its clients, stores and ports.
///
/// One value of it is built when the process starts, and every step gets a reference to it.
pub trait Application: Send + Sync {
    /// A write that a step may hand over instead of making it itself, so that it is made in the one
    /// transaction that also records the step's result (see [`StepResponse::write`](crate::StepResponse::write)).
    ///
    /// It is whatever the journal can put into a transaction: `TransactWriteItem` for a journal on
    /// DynamoDB. Where steps hand over nothing, take [`std::convert::Infallible`].
    type Write: Clone + Send + Sync + 'static;
}
