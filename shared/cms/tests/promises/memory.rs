//! What the stub remembers, asked in process and over HTTP alike. What any CMS has to do is in `contract`.

use cms::{Calls, CmsError, EntryRef};

use crate::bench::{Bench, brand, failure, faults, kept_by_both, unknown};

kept_by_both! {
    a_created_brand_is_held_until_it_is_deleted
    a_create_repeated_with_its_key_acts_once
    a_create_of_an_existing_brand_under_another_key_is_a_conflict_and_changes_nothing
    a_delete_of_an_absent_brand_succeeds
    a_delete_repeated_with_its_key_acts_once
    a_late_duplicate_of_a_create_does_not_bring_a_deleted_brand_back
    a_late_duplicate_of_a_delete_does_not_remove_what_was_created_since
    a_new_key_creates_again_what_was_deleted
    an_update_changes_the_name_and_the_revision
    an_update_of_an_absent_brand_is_a_conflict
    an_update_of_a_stale_revision_is_a_conflict_and_changes_nothing
    an_update_repeated_with_its_key_acts_once
    a_late_duplicate_of_an_update_does_not_bring_back_what_was_changed_or_deleted_since
    a_create_and_a_delete_may_bear_the_same_key
    a_key_that_was_used_for_another_brand_is_refused_for_good
    every_call_is_counted
    an_update_that_knows_another_name_is_a_conflict_and_changes_nothing
    a_link_acts_once_and_is_counted_as_an_update
    a_fault_of_updates_strikes_a_link
    what_an_editor_does_is_no_call
}

async fn a_created_brand_is_held_until_it_is_deleted(Bench { cms, stub }: Bench) {
    let acme = brand("b1", "Acme");
    cms.create_brand(&acme, "run/create").await.unwrap();
    assert_eq!(stub.brands(), [acme]);
    cms.delete_brand("b1", "run/delete").await.unwrap();
    assert_eq!(stub.brands(), []);
}

async fn a_create_repeated_with_its_key_acts_once(Bench { cms, stub }: Bench) {
    for _ in 0..3 {
        cms.create_brand(&brand("b1", "Acme"), "run/create")
            .await
            .unwrap();
    }
    assert_eq!(stub.brands(), [brand("b1", "Acme")]);
    assert_eq!(stub.creates("b1"), 1);
}

async fn a_create_of_an_existing_brand_under_another_key_is_a_conflict_and_changes_nothing(
    Bench { cms, stub }: Bench,
) {
    cms.create_brand(&brand("b1", "Acme"), "run-1")
        .await
        .unwrap();
    for _ in 0..2 {
        let renamed = brand("b1", "Acme, renamed");
        let again = cms.create_brand(&renamed, "run-2").await;
        let error = again.unwrap_err();
        assert!(
            matches!(error, CmsError::Conflict { status: 409, .. }),
            "{error:?}"
        );
    }
    assert_eq!(stub.brands(), [brand("b1", "Acme")]);
    assert_eq!(stub.creates("b1"), 1);
}

async fn an_update_changes_the_name_and_the_revision(Bench { cms, stub }: Bench) {
    let created = cms.create_brand(&brand("b1", "Acme"), "run-1").await;
    let created = created.unwrap();
    let renamed = brand("b1", "Acme, renamed");
    let updated = cms.update_brand(&renamed, &created.entry, "run-2").await;
    let updated = updated.unwrap();
    assert_eq!(stub.brand("b1"), Some(renamed.clone()));
    assert_ne!(updated.entry, created.entry);
    assert_eq!(cms.get_brand("b1").await.unwrap(), Some(updated.clone()));

    // Another update to the same state leaves the revision as it is.
    let same = cms.update_brand(&renamed, &updated.entry, "run-3").await;
    assert_eq!(same.unwrap(), updated);
    assert_eq!(stub.stats().acts["b1"].updates, 1);
    assert_eq!(stub.calls().updates, 2);
}

async fn an_update_of_an_absent_brand_is_a_conflict(Bench { cms, stub }: Bench) {
    let acme = brand("b1", "Acme");
    let error = cms
        .update_brand(&acme, &unknown(), "run")
        .await
        .unwrap_err();
    assert!(
        matches!(error, CmsError::Conflict { status: 404, .. }),
        "{error:?}"
    );
    assert_eq!(stub.brands(), []);
}

async fn an_update_of_a_stale_revision_is_a_conflict_and_changes_nothing(
    Bench { cms, stub }: Bench,
) {
    let acme = brand("b1", "Acme");
    let created = cms.create_brand(&acme, "run-1").await.unwrap();
    stub.describe("b1", "An editor's words");
    let renamed = brand("b1", "Acme, renamed");
    let error = cms.update_brand(&renamed, &created.entry, "run-2").await;
    let error = error.unwrap_err();
    assert!(
        matches!(error, CmsError::Conflict { status: 412, .. }),
        "{error:?}"
    );
    assert_eq!(stub.brands(), [acme]);

    let current = cms.get_brand("b1").await.unwrap().unwrap();
    assert_ne!(current.entry, EntryRef::default());
    let updated = cms.update_brand(&renamed, &current.entry, "run-3").await;
    assert_eq!(updated.unwrap().brand, renamed);
    assert_eq!(stub.description("b1").as_deref(), Some("An editor's words"));
}

async fn an_update_repeated_with_its_key_acts_once(Bench { cms, stub }: Bench) {
    let created = cms.create_brand(&brand("b1", "Acme"), "run/create").await;
    let entry = created.unwrap().entry;
    let renamed = brand("b1", "Acme, renamed");
    for _ in 0..3 {
        // The revision is stale from the second time on; the key is what counts.
        let updated = cms.update_brand(&renamed, &entry, "run/update").await;
        assert_eq!(updated.unwrap().brand, renamed);
    }
    assert_eq!(stub.stats().acts["b1"].updates, 1);
}

async fn a_late_duplicate_of_an_update_does_not_bring_back_what_was_changed_or_deleted_since(
    Bench { cms, stub }: Bench,
) {
    cms.create_brand(&brand("b1", "Acme"), "run-0")
        .await
        .unwrap();
    let (first, second) = (brand("b1", "First"), brand("b1", "Second"));
    for (brand, key) in [(&first, "run-1"), (&second, "run-2"), (&first, "run-1")] {
        cms.update_brand(brand, &unknown(), key).await.unwrap();
    }
    assert_eq!(stub.brands(), [second]);
    cms.delete_brand("b1", "run-3").await.unwrap();
    cms.update_brand(&first, &unknown(), "run-1").await.unwrap();
    assert_eq!(stub.brands(), []);
}

async fn a_delete_of_an_absent_brand_succeeds(Bench { cms, stub }: Bench) {
    cms.delete_brand("b1", "run/delete").await.unwrap();
    assert_eq!(stub.deletes("b1"), 0);
    assert_eq!(stub.calls().deletes, 1);
}

async fn a_delete_repeated_with_its_key_acts_once(Bench { cms, stub }: Bench) {
    cms.create_brand(&brand("b1", "Acme"), "run/create")
        .await
        .unwrap();
    for _ in 0..3 {
        cms.delete_brand("b1", "run/delete").await.unwrap();
    }
    assert_eq!(stub.brands(), []);
    assert_eq!(stub.deletes("b1"), 1);
}

async fn a_late_duplicate_of_a_create_does_not_bring_a_deleted_brand_back(
    Bench { cms, stub }: Bench,
) {
    cms.create_brand(&brand("b1", "Acme"), "run/create")
        .await
        .unwrap();
    cms.delete_brand("b1", "run/delete").await.unwrap();
    cms.create_brand(&brand("b1", "Acme"), "run/create")
        .await
        .unwrap();
    assert_eq!(stub.brands(), []);
    assert_eq!(stub.creates("b1"), 1);
}

async fn a_late_duplicate_of_a_delete_does_not_remove_what_was_created_since(
    Bench { cms, stub }: Bench,
) {
    cms.delete_brand("b1", "run-1/delete").await.unwrap();
    cms.create_brand(&brand("b1", "Acme"), "run-2")
        .await
        .unwrap();
    cms.delete_brand("b1", "run-1/delete").await.unwrap();
    assert_eq!(stub.brands(), [brand("b1", "Acme")]);
}

async fn a_new_key_creates_again_what_was_deleted(Bench { cms, stub }: Bench) {
    cms.create_brand(&brand("b1", "Acme"), "run-1")
        .await
        .unwrap();
    cms.delete_brand("b1", "run-1/delete").await.unwrap();
    cms.create_brand(&brand("b1", "Acme"), "run-2")
        .await
        .unwrap();
    assert_eq!(stub.brands(), [brand("b1", "Acme")]);
    assert_eq!(stub.creates("b1"), 2);
}

async fn a_create_and_a_delete_may_bear_the_same_key(Bench { cms, stub }: Bench) {
    cms.create_brand(&brand("b1", "Acme"), "run/step")
        .await
        .unwrap();
    cms.delete_brand("b1", "run/step").await.unwrap();
    assert_eq!(stub.brands(), []);
}

async fn a_key_that_was_used_for_another_brand_is_refused_for_good(Bench { cms, stub }: Bench) {
    cms.create_brand(&brand("b1", "Acme"), "run").await.unwrap();
    let other = cms.create_brand(&brand("b2", "Other"), "run").await;
    assert_eq!(failure(other), (422, false));
    assert_eq!(stub.brands(), [brand("b1", "Acme")]);
    cms.delete_brand("b3", "run").await.unwrap();
    let other = cms.delete_brand("b1", "run").await;
    assert_eq!(failure(other), (422, false));
    assert_eq!(stub.brands(), [brand("b1", "Acme")]);
}

async fn every_call_is_counted(Bench { cms, stub }: Bench) {
    for _ in 0..3 {
        cms.create_brand(&brand("b1", "Acme"), "run").await.unwrap();
    }
    for _ in 0..2 {
        cms.delete_brand("b1", "run").await.unwrap();
    }
    assert_eq!((stub.calls().creates, stub.calls().deletes), (3, 2));
    let acts = &stub.stats().acts["b1"];
    assert_eq!(
        (acts.name.as_str(), acts.creates, acts.deletes),
        ("Acme", 1, 1)
    );
}

async fn an_update_that_knows_another_name_is_a_conflict_and_changes_nothing(
    Bench { cms, stub }: Bench,
) {
    let acme = brand("b1", "Acme");
    cms.create_brand(&acme, "run-1").await.unwrap();
    let known = |name: &str| EntryRef {
        name: Some(name.to_owned()),
        ..unknown()
    };
    let renamed = brand("b1", "Acme, renamed");
    let error = cms.update_brand(&renamed, &known("Acme "), "run-2").await;
    let error = error.unwrap_err();
    assert!(
        matches!(error, CmsError::Conflict { status: 412, .. }),
        "{error:?}"
    );
    assert_eq!(stub.brands(), [acme]);
    let updated = cms.update_brand(&renamed, &known("Acme"), "run-3").await;
    assert_eq!(updated.unwrap().brand, renamed);
}

async fn a_link_acts_once_and_is_counted_as_an_update(Bench { cms, stub }: Bench) {
    let own_id = stub.add_entry("An editor's", None);
    let entry = stub.unlinked().remove(0).entry;
    assert_eq!(entry.id, Some(own_id));
    let acme = brand("b1", "Acme");
    let linked = cms.link_brand(&acme, &entry, "run").await.unwrap();
    assert_eq!(
        (stub.brands(), stub.unlinked()),
        (vec![acme.clone()], vec![])
    );
    assert_ne!(linked.entry.revision, entry.revision);
    for key in ["run", "another run"] {
        let again = cms.link_brand(&acme, &entry, key).await;
        assert_eq!(again.unwrap(), linked, "{key}");
    }
    assert_eq!(stub.calls().updates, 3);
    assert_eq!(stub.stats().acts["b1"].updates, 1);
}

async fn a_fault_of_updates_strikes_a_link(Bench { cms, stub }: Bench) {
    stub.set_faults(faults(
        r#"[{"operation":"update","name":"Acme","kind":"permanent","times":1}]"#,
    ));
    stub.add_entry("An editor's", None);
    let (entry, acme) = (stub.unlinked().remove(0).entry, brand("b1", "Acme"));
    let refused = cms.link_brand(&acme, &entry, "run").await;
    assert_eq!(failure(refused), (422, false));
    assert_eq!(stub.unlinked().len(), 1);
    cms.link_brand(&acme, &entry, "run").await.unwrap();
}

async fn what_an_editor_does_is_no_call(Bench { cms, stub }: Bench) {
    assert_eq!(stub.add_entry("Orphan", Some("b1")), "b1");
    assert!(stub.edit("b1", "Renamed"));
    assert!(!stub.edit("b2", "Renamed"));
    stub.add_entry("An editor's", None);
    assert_eq!(stub.calls(), Calls::default());
    let read = cms.get_brand("b1").await.unwrap().unwrap();
    assert_eq!(read.brand, brand("b1", "Renamed"));
    assert_eq!(read.entry.revision.as_deref(), Some("2"));
    assert!(stub.remove("b1"));
    assert!(!stub.remove("b1"));
    let ids = ["b1".to_owned(), "b2".to_owned()];
    assert_eq!(cms.get_brands(&ids).await.unwrap(), []);
    let page = cms.list_unlinked(None, 9).await.unwrap();
    assert_eq!((page.entries, page.next), (stub.unlinked(), None));
    assert_eq!(stub.calls().retrieves, 3, "each read is one");
}
