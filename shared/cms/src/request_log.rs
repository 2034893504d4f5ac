//! The log lines of a request, in the words of Medusa's guide.

use std::fmt;

use crate::CmsBrand;

/// Says which request is about to be sent.
pub(crate) fn sending(method: &str, path: fmt::Arguments<'_>) {
    tracing::info!("Sending a {method} request to {path}.");
}

/// A brand as the guide prints it: JSON over several lines.
pub(crate) struct RequestData<'a>(pub(crate) &'a CmsBrand);

impl fmt::Display for RequestData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string_pretty(self.0).map_err(|_| fmt::Error)?;
        write!(f, "Request Data: {json}")
    }
}
