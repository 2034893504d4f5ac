//! Reading a row: strict at the edge, lenient here.
//!
//! A row may be damaged, or written by another release. Whatever can be made of it is made of it, attribute by attribute, so that
//! a brand with a damaged row can still be shown, changed, deleted and synced. Only an id, a name and a version are a must.
//!
//! | attribute | missing or damaged |
//! |---|---|
//! | `id`, `name`, `version` | the row cannot be read |
//! | `created_at` | the time in the id, else `updated_at`; without either the row cannot be read |
//! | `updated_at` | `created_at` |
//! | `deleted_at` | where it is there at all, the brand was deleted at `updated_at` |
//! | `request` | none: the brand is that of no request |
//! | `lease` | none: the next writer overwrites it |
//! | `sync_…` | nothing is known, so the target is read before the next run acts |
//! | `due_at` | where it is there at all, the row has been due since `updated_at` |

use aws_sdk_dynamodb::types::AttributeValue;
use thiserror::Error;

use super::row::{DUE_AT, Item, LEASE, SYNC, id_of, unreadable};
use crate::{
    Brand, BrandId, BrandName, BrandRow, Lease, ListedBrand, StoreError, SubscriberState, Timestamp,
};

/// The greatest sequence of a lease, and version of a brand, that counts as one. Conditions have the same bounds, so that a
/// row never stands in a way that no write expects.
pub(super) const MAX_SEQUENCE: u64 = u64::MAX - 1;
pub(super) const MAX_VERSION: u32 = u32::MAX - 1;

/// An attribute is missing or damaged, and nothing stands in for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("attribute '{0}' is missing or damaged")]
pub(super) struct Damaged(pub(super) &'static str);

pub(super) fn brand_of(item: &Item) -> Result<Brand, StoreError> {
    readable(item, brand(item))
}

pub(super) fn row_of(item: &Item) -> Result<BrandRow, StoreError> {
    let brand = brand_of(item)?;
    let subscribers = item.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(SYNC)?.to_owned();
        Some((name, state(value)))
    });
    Ok(BrandRow {
        subscribers: subscribers.collect(),
        lease: item.get(LEASE).and_then(lease),
        due_at: item
            .get(DUE_AT)
            .map(|due_at| moment(due_at).unwrap_or(brand.updated_at)),
        brand,
    })
}

pub(super) fn listed_of(item: &Item) -> Result<ListedBrand, StoreError> {
    readable(item, listed(item))
}

/// Whether the index of lists has the row where its time of creation belongs: the index sorts by the text.
pub(super) fn is_in_order(item: &Item, brand: &ListedBrand) -> bool {
    let text = item.get("created_at").and_then(|value| value.as_s().ok());
    text == Some(&brand.created_at.to_string())
}

/// When the brand was last changed, as far as the row tells.
pub(super) fn updated_at(item: &Item) -> Option<Timestamp> {
    let times = id(item).and_then(|id| times(item, id));
    times.map(|(_, updated_at)| updated_at).ok()
}

pub(super) fn version(item: &Item) -> Result<u32, Damaged> {
    let version = item.get("version").and_then(whole);
    let version = version.and_then(|version| version.try_into().ok());
    version
        .filter(|version| *version <= MAX_VERSION)
        .ok_or(Damaged("version"))
}

pub(super) fn name(item: &Item) -> Result<BrandName, Damaged> {
    let name = item.get("name").and_then(|name| name.as_s().ok());
    name.map(BrandName::stored).ok_or(Damaged("name"))
}

pub(super) fn readable<T>(item: &Item, read: Result<T, Damaged>) -> Result<T, StoreError> {
    read.map_err(|damaged| unreadable(&id_of(item), damaged))
}

fn brand(item: &Item) -> Result<Brand, Damaged> {
    let ListedBrand {
        id,
        name,
        created_at,
        updated_at,
    } = listed(item)?;
    let deleted_at = item.get("deleted_at");
    let request = item.get("request").cloned();
    Ok(Brand {
        id,
        name,
        version: version(item)?,
        created_at,
        updated_at,
        deleted_at: deleted_at.map(|at| moment(at).unwrap_or(updated_at)),
        request: request.and_then(|digest| serde_dynamo::from_attribute_value(digest).ok()),
    })
}

fn listed(item: &Item) -> Result<ListedBrand, Damaged> {
    let (id, name) = (id(item)?, name(item)?);
    let (created_at, updated_at) = times(item, id)?;
    Ok(ListedBrand {
        id,
        name,
        created_at,
        updated_at,
    })
}

fn id(item: &Item) -> Result<BrandId, Damaged> {
    id_of(item).parse().map_err(|_| Damaged("id"))
}

/// When the brand was created, and when it was last changed.
fn times(item: &Item, id: BrandId) -> Result<(Timestamp, Timestamp), Damaged> {
    let [created_at, updated_at] =
        ["created_at", "updated_at"].map(|name| item.get(name).and_then(moment));
    let created_at = created_at.or_else(|| id.created_at()).or(updated_at);
    let created_at = created_at.ok_or(Damaged("created_at"))?;
    Ok((created_at, updated_at.unwrap_or(created_at)))
}

fn lease(value: &AttributeValue) -> Option<Lease> {
    let lease = value.as_m().ok()?;
    let sequence = lease.get("sequence").and_then(whole);
    Some(Lease {
        token: lease.get("token")?.as_s().ok()?.clone(),
        sequence: sequence.filter(|sequence| *sequence <= MAX_SEQUENCE)?,
        until: lease.get("until").and_then(moment),
    })
}

fn state(value: &AttributeValue) -> SubscriberState {
    // A list would be read as the fields of a map, in their order.
    let map = Some(value).filter(|value| value.is_m()).cloned();
    let state = map.and_then(|map| serde_dynamo::from_attribute_value(map).ok());
    state.unwrap_or_else(|| SubscriberState {
        in_doubt: true,
        ..SubscriberState::default()
    })
}

pub(super) fn moment(value: &AttributeValue) -> Option<Timestamp> {
    value.as_s().ok()?.parse().ok()
}

/// A number, without its fraction.
fn whole(value: &AttributeValue) -> Option<u64> {
    let number = value.as_n().ok()?;
    let whole = number.split_once('.').map_or(&**number, |(whole, _)| whole);
    whole.parse().ok()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::{collections::HashMap, sync::LazyLock};

    use aws_sdk_dynamodb::types::AttributeValue;

    use super::{MAX_VERSION, brand_of, listed_of, row_of};
    use crate::{
        Brand, BrandName, BrandRow, IdempotencyKey, Lease, ListedBrand, StoreError,
        SubscriberState, Timestamp,
        dynamodb::row::{Item, new_row},
    };

    /// In the row below. The id has another time.
    static CREATED: LazyLock<Timestamp> = LazyLock::new(|| at(1));
    static UPDATED: LazyLock<Timestamp> = LazyLock::new(|| at(2));
    static DUE: LazyLock<Timestamp> = LazyLock::new(|| at(3));
    static OF_ID: LazyLock<Timestamp> = LazyLock::new(|| at(0));

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
    }

    fn brand() -> Brand {
        Brand {
            created_at: *CREATED,
            updated_at: *UPDATED,
            version: 7,
            ..Brand::new(BrandName::parse("Acme").unwrap(), *OF_ID)
        }
    }

    fn text(text: &str) -> AttributeValue {
        AttributeValue::S(text.to_owned())
    }

    fn number(text: &str) -> AttributeValue {
        AttributeValue::N(text.to_owned())
    }

    fn map<const N: usize>(fields: [(&str, AttributeValue); N]) -> AttributeValue {
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        AttributeValue::M(HashMap::from(fields))
    }

    fn junk() -> [AttributeValue; 7] {
        [
            text("zzz"),
            text(""),
            number("-1.5"),
            AttributeValue::Null(true),
            AttributeValue::Bool(true),
            AttributeValue::L(Vec::new()),
            map([("a", text("b"))]),
        ]
    }

    /// The good row of a brand, with that attribute or without it.
    fn row(brand: &Brand, name: &str, value: Option<AttributeValue>) -> Item {
        let mut row = new_row(brand, *DUE).unwrap();
        row.remove(name);
        row.extend(value.map(|value| (name.to_owned(), value)));
        row
    }

    /// What stands where an attribute is missing, or is junk.
    fn without_and_with_junk(name: &str) -> Vec<Item> {
        let junk = junk().map(Some);
        let values = [None].into_iter().chain(junk);
        values.map(|value| row(&brand_v7(), name, value)).collect()
    }

    fn brand_v7() -> Brand {
        Brand {
            id: "018bcfe5-6800-7cc0-a1a2-0123456789ab".parse().unwrap(), // of OF_ID
            ..brand()
        }
    }

    fn is_damaged(read: &Result<BrandRow, StoreError>, name: &str) -> bool {
        let expected = format!("attribute '{name}' is missing or damaged");
        matches!(read, Err(StoreError::Unreadable { source, .. }) if source.to_string() == expected)
    }

    #[test]
    fn a_good_row_is_read_as_it_is() {
        let good = BrandRow {
            due_at: Some(*DUE),
            ..BrandRow::from(brand_v7())
        };
        let item = new_row(&brand_v7(), *DUE).unwrap();
        assert_eq!(row_of(&item).unwrap(), good);
        assert_eq!(listed_of(&item).unwrap(), ListedBrand::from(&brand_v7()));
        assert_eq!(brand_v7().id.created_at(), Some(*OF_ID));
    }

    #[test]
    fn without_an_id_a_name_or_a_version_a_row_cannot_be_read() {
        let is_text = |value: &AttributeValue| value.as_s().is_ok();
        for name in ["id", "name", "version"] {
            for item in without_and_with_junk(name) {
                let read = row_of(&item);
                match item.get(name).filter(|_| name == "name") {
                    // Any text is a name.
                    Some(text) if is_text(text) => assert!(read.is_ok(), "{item:?}"),
                    _ => assert!(is_damaged(&read, name), "{item:?}"),
                }
            }
        }
        let of_version = |version: &str| {
            let item = row(&brand_v7(), "version", Some(number(version)));
            brand_of(&item).map(|brand| brand.version).ok()
        };
        assert_eq!(of_version("2.5"), Some(2), "it is a number");
        assert_eq!(of_version(&MAX_VERSION.to_string()), Some(MAX_VERSION));
        for version in ["4294967295", "4294967296", "-1", "1E+50"] {
            assert_eq!(of_version(version), None, "it cannot be counted on");
        }
    }

    #[test]
    fn what_a_client_may_no_longer_send_is_read() {
        for name in ["", " ", "\u{200b}", "a\nb\0", "\u{fffd}", &"n".repeat(256)] {
            let item = row(&brand_v7(), "name", Some(text(name)));
            assert_eq!(brand_of(&item).unwrap().name.as_str(), name);
            assert_eq!(listed_of(&item).unwrap().name.as_str(), name);
        }
    }

    #[test]
    fn times_stand_in_for_each_other() {
        for item in without_and_with_junk("created_at") {
            let brand = brand_of(&item).unwrap();
            assert_eq!((brand.created_at, brand.updated_at), (*OF_ID, *UPDATED));
            assert_eq!(listed_of(&item).unwrap(), ListedBrand::from(&brand));
        }
        for item in without_and_with_junk("updated_at") {
            let brand = brand_of(&item).unwrap();
            assert_eq!((brand.created_at, brand.updated_at), (*CREATED, *CREATED));
        }
        let key = IdempotencyKey::parse("user_1", b"k").unwrap();
        let of_key = brand().with_idempotency_key(&key);
        for value in junk() {
            let mut item = row(&of_key, "created_at", Some(value.clone()));
            assert_eq!(brand_of(&item).unwrap().created_at, *UPDATED);
            item.insert("updated_at".to_owned(), value);
            assert!(is_damaged(&row_of(&item), "created_at"));
        }
    }

    #[test]
    fn a_row_that_has_a_time_of_deletion_is_deleted_whatever_the_time() {
        for value in junk() {
            let item = row(&brand_v7(), "deleted_at", Some(value));
            assert_eq!(brand_of(&item).unwrap().deleted_at, Some(*UPDATED));
        }
        let item = row(&brand_v7(), "deleted_at", Some(text(&DUE.to_string())));
        assert_eq!(brand_of(&item).unwrap().deleted_at, Some(*DUE));
    }

    #[test]
    fn a_damaged_request_equals_none() {
        for item in without_and_with_junk("request") {
            assert_eq!(brand_of(&item).unwrap().request, None, "{item:?}");
        }
    }

    #[test]
    fn a_row_is_due_whatever_the_time() {
        for value in junk() {
            let item = row(&brand_v7(), "due_at", Some(value));
            assert_eq!(row_of(&item).unwrap().due_at, Some(*UPDATED));
        }
        let item = row(&brand_v7(), "due_at", None);
        assert_eq!(row_of(&item).unwrap().due_at, None);
    }

    #[test]
    fn a_damaged_lease_is_none() {
        let lease_of = |value| {
            row_of(&row(&brand_v7(), "lease", Some(value)))
                .unwrap()
                .lease
        };
        for value in junk() {
            assert_eq!(lease_of(value.clone()), None);
            let token = map([("token", value.clone()), ("sequence", number("1"))]);
            assert_eq!(lease_of(token).is_some(), value.as_s().is_ok());
            let sequence = map([("token", text("t")), ("sequence", value.clone())]);
            assert_eq!(lease_of(sequence), None);
            let until = map([
                ("token", text("t")),
                ("sequence", number("1")),
                ("until", value),
            ]);
            let expected = Lease {
                token: "t".to_owned(),
                sequence: 1,
                until: None,
            };
            assert_eq!(lease_of(until), Some(expected));
        }
    }

    #[test]
    fn a_damaged_sync_state_is_in_doubt() {
        let in_doubt = SubscriberState {
            in_doubt: true,
            ..SubscriberState::default()
        };
        let state_of = |value| {
            let item = row(&brand_v7(), "sync_cms", Some(value));
            row_of(&item).unwrap().subscriber("cms")
        };
        for value in junk().into_iter().filter(|value| value.as_m().is_err()) {
            assert_eq!(state_of(value.clone()), in_doubt, "{value:?}");
            assert_eq!(state_of(map([("reached", value.clone())])), in_doubt);
            let held = map([("reached", number("1")), ("run", map([("version", value)]))]);
            assert_eq!(state_of(held), in_doubt);
        }
        let good = SubscriberState {
            reached: 3,
            ..SubscriberState::default()
        };
        assert_eq!(state_of(map([("reached", number("3"))])), good);
    }
}
