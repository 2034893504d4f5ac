//! Being told to end: what is under way is finished, nothing new is begun.

use tokio::sync::watch;

/// Tells that it is time to end, by [`stop`](Self::stop) or by being dropped.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Is told that it is time to end.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stopper {
    /// One that tells, and what is told; it can be cloned.
    #[must_use]
    pub fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stop(receiver))
    }

    /// Tells all of them.
    pub fn stop(self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Waits until it is time to end.
    pub async fn told(&mut self) {
        // An error means that whoever could tell is gone, which is an end as well.
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}
