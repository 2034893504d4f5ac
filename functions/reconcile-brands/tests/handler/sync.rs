//! What sync-brand does with a row that is due.

use brand::{
    BrandId, BrandRow, CMS_SUBSCRIBER, Held, Lease, MemoryBrandStore, Schedule, SubscriberState,
    SyncStore, SyncWrite, SyncWritten, Timestamp, WriteScope,
};
use cms::{Cms, CmsBrand, EntryRef};

/// Brings the CMS to what the row says, and notes that in the row.
pub(crate) async fn sync_one(brands: &MemoryBrandStore, cms: &dyn Cms, id: BrandId, token: &str) {
    let row = brands.row(id).unwrap();
    let text = id.to_string();
    let state = row.subscriber(CMS_SUBSCRIBER);
    let found = cms.get_brand(&text).await.unwrap();
    let entry = if row.brand.deleted_at.is_some() {
        cms.delete_brand(&text, token).await.unwrap();
        None
    } else {
        let brand = CmsBrand {
            id: text,
            name: row.brand.name.to_string(),
        };
        let unlinked = state.holds.clone().filter(|held| held.unlinked);
        let synced = match (found, unlinked) {
            (Some(found), _) if found.brand == brand => Ok(found),
            (Some(found), _) => cms.update_brand(&brand, &found.entry, token).await,
            (None, Some(held)) => {
                let entry = EntryRef {
                    id: held.entry.clone(),
                    revision: None,
                    name: Some(held.shown().to_owned()),
                };
                cms.link_brand(&brand, &entry, token).await
            }
            (None, None) => cms.create_brand(&brand, token).await,
        };
        Some(synced.unwrap())
    };
    let version = row.brand.version;
    let state = SubscriberState {
        reached: version,
        holds: entry.map(|entry| Held {
            entry: entry.entry.id,
            revision: entry.entry.revision,
            ..Held::named(entry.brand.name)
        }),
        ..SubscriberState::default()
    };
    let scope = WriteScope::Schedule(version, Schedule::default());
    write(brands, &row, state, scope, (token, None)).await;
}

/// Writes the row's sync state, as a worker.
pub(crate) async fn write(
    brands: &MemoryBrandStore,
    row: &BrandRow,
    state: SubscriberState,
    scope: WriteScope,
    (token, until): (&str, Option<Timestamp>),
) {
    let write = SyncWrite {
        id: row.brand.id,
        seen: row.lease.clone(),
        lease: Lease::following(row.lease.as_ref(), token, until),
        subscribers: [(CMS_SUBSCRIBER.to_owned(), state)].into(),
        scope,
    };
    let written = brands.write(&write).await.unwrap();
    assert_eq!(written, SyncWritten::Applied);
}
