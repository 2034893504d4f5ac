//! Cursors: positions in the list, as clients carry them from page to page. To them they are opaque.
//!
//! A cursor holds nothing that the page did not show, and whoever makes one up chooses a position and no more; so it is
//! not signed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use brand::{BrandId, Direction, Position, Timestamp};

/// Stands at the beginning of every cursor, so that cursors of another make can be told from these.
const MAKE: &str = "1";

/// The cursor for that position in a list that goes that way. It is safe in a URL.
pub(crate) fn write(direction: Direction, position: Position) -> String {
    let way = match direction {
        Direction::Ascending => "a",
        Direction::Descending => "d",
    };
    let Position { created_at, id } = position;
    URL_SAFE_NO_PAD.encode(format!("{MAKE}.{way}.{}.{id}", created_at.as_millis()))
}

/// What a cursor says; none where it is none of ours.
pub(crate) fn read(cursor: &str) -> Option<(Direction, Position)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let mut parts = text.split('.');
    parts.next().filter(|make| *make == MAKE)?;
    let direction = match parts.next()? {
        "a" => Direction::Ascending,
        "d" => Direction::Descending,
        _ => return None,
    };
    let created_at = Timestamp::from_millis(parts.next()?.parse().ok()?);
    let id: BrandId = parts.next()?.parse().ok()?;
    let position = Position { created_at, id };
    // Each position has one cursor: no other spelling of it, and nothing behind it.
    (write(direction, position) == cursor).then_some((direction, position))
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use brand::{BrandId, Direction, Position, Timestamp};

    use super::{read, write};

    fn position() -> Position {
        let created_at = Timestamp::from_millis(1_795_427_107_966);
        let id = BrandId::new(created_at);
        Position { created_at, id }
    }

    #[test]
    fn a_cursor_is_read_as_it_is_written_and_is_safe_in_a_url() {
        for direction in [Direction::Ascending, Direction::Descending] {
            let position = position();
            let cursor = write(direction, position);
            assert_eq!(read(&cursor), Some((direction, position)));
            let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            assert!(cursor.bytes().all(is_safe), "{cursor}");
        }
    }

    #[test]
    fn what_is_no_cursor_is_not_read() {
        let good = format!("1.a.1795427107966.{}", position().id);
        assert!(read(&URL_SAFE_NO_PAD.encode(&good)).is_some());
        let texts = [
            String::new(),
            good.replacen("1.", "2.", 1),
            good.replacen(".a.", ".x.", 1),
            good.replacen(".a.", ".a.0", 1),
            good.replacen(".a.", ".a.-", 1),
            good.replacen("1795427107966", "18446744073709551615", 1),
            good.to_uppercase(),
            format!("{good}.x"),
            good.chars().take(20).collect(),
        ];
        for text in texts {
            assert_eq!(read(&URL_SAFE_NO_PAD.encode(&text)), None, "{text}");
        }
        for cursor in [good.as_str(), "x", "=", "žlu", "gICA"] {
            assert_eq!(read(cursor), None, "{cursor}");
        }
    }
}
