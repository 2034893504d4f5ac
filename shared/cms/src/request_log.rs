//! The log lines of a request, in the words of Medusa's guide.

use std::fmt;

use serde::Serialize;

/// Says which request is about to be sent.
pub(crate) fn sending(method: &str, path: &[&str]) {
    tracing::info!("Sending a {method} request to /{}.", path.join("/"));
}

/// What is sent, as the guide prints it: JSON over several lines.
pub(crate) struct RequestData<T>(pub(crate) T);

impl<T: Serialize> fmt::Display for RequestData<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string_pretty(&self.0).map_err(|_| fmt::Error)?;
        write!(f, "Request Data: {json}")
    }
}
