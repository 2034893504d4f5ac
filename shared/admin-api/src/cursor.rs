//! Cursors of lists of brands that are not synced. To clients they are opaque.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use brand::Place;

/// The cursor for that place. It is safe in a URL.
#[must_use]
pub fn cursor(place: &Place) -> String {
    URL_SAFE_NO_PAD.encode(place.to_string())
}

/// The place that a cursor says; none where it is no such cursor.
#[must_use]
pub fn place(cursor: &str) -> Option<Place> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    text.parse().ok()
}
