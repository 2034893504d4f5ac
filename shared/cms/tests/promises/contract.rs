//! The contract of the port, kept alike by the stub in this process and by the client of a stub behind HTTP.

use cms::Cms;

use crate::bench::{Bench, brand, told};

/// Makes of each promise two tests: one for each way to the stub.
macro_rules! kept_by_both {
    ($($promise:ident)*) => {
        mod in_process {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise($crate::bench::in_process().await).await;
            })*
        }
        mod over_http {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise($crate::bench::over_http().await).await;
            })*
        }
    };
}
pub(crate) use kept_by_both;

kept_by_both! {
    a_created_brand_is_held_until_it_is_deleted
    a_create_repeated_with_its_key_acts_once
    a_create_of_what_exists_under_another_key_succeeds_and_adds_nothing
    a_delete_of_an_absent_brand_succeeds
    a_delete_repeated_with_its_key_acts_once
    a_late_duplicate_of_a_create_does_not_bring_a_deleted_brand_back
    a_late_duplicate_of_a_create_that_found_the_brand_there_does_not_bring_it_back
    a_late_duplicate_of_a_delete_does_not_remove_what_was_created_since
    a_new_key_creates_again_what_was_deleted
    an_update_brings_the_brand_to_its_state_whatever_it_was
    an_update_repeated_with_its_key_acts_once
    a_late_duplicate_of_an_update_does_not_bring_back_what_was_changed_or_deleted_since
    a_create_and_a_delete_may_bear_the_same_key
    a_key_that_was_used_for_another_brand_is_refused_for_good
    every_call_is_counted
}

async fn a_created_brand_is_held_until_it_is_deleted(Bench { cms, stub }: Bench<impl Cms>) {
    let acme = brand("b1", "Acme");
    cms.create_brand(&acme, "run/create").await.unwrap();
    assert_eq!(stub.brands(), [acme]);
    cms.delete_brand("b1", "run/delete").await.unwrap();
    assert_eq!(stub.brands(), []);
}

async fn a_create_repeated_with_its_key_acts_once(Bench { cms, stub }: Bench<impl Cms>) {
    for _ in 0..3 {
        cms.create_brand(&brand("b1", "Acme"), "run/create")
            .await
            .unwrap();
    }
    assert_eq!(stub.brands(), [brand("b1", "Acme")]);
    assert_eq!(stub.creates("b1"), 1);
}

async fn a_create_of_what_exists_under_another_key_succeeds_and_adds_nothing(
    Bench { cms, stub }: Bench<impl Cms>,
) {
    cms.create_brand(&brand("b1", "Acme"), "run-1")
        .await
        .unwrap();
    cms.create_brand(&brand("b1", "Acme, renamed"), "run-2")
        .await
        .unwrap();
    assert_eq!(stub.brands(), [brand("b1", "Acme")]);
    assert_eq!(stub.creates("b1"), 1);
}

async fn an_update_brings_the_brand_to_its_state_whatever_it_was(
    Bench { cms, stub }: Bench<impl Cms>,
) {
    for name in ["Acme", "Acme, renamed"] {
        let brand = brand("b1", name);
        cms.update_brand(&brand, name).await.unwrap();
        assert_eq!(stub.brands(), [brand]);
    }
    assert_eq!(stub.creates("b1"), 1);
    assert_eq!(stub.stats().acts["b1"].updates, 1);
    assert_eq!(stub.calls().updates, 2);
}

async fn an_update_repeated_with_its_key_acts_once(Bench { cms, stub }: Bench<impl Cms>) {
    for _ in 0..3 {
        let brand = brand("b1", "Acme");
        cms.update_brand(&brand, "run/update").await.unwrap();
    }
    assert_eq!(stub.creates("b1"), 1);
    assert_eq!(stub.stats().acts["b1"].updates, 0);
}

async fn a_late_duplicate_of_an_update_does_not_bring_back_what_was_changed_or_deleted_since(
    Bench { cms, stub }: Bench<impl Cms>,
) {
    let (first, second) = (brand("b1", "First"), brand("b1", "Second"));
    cms.update_brand(&first, "run-1").await.unwrap();
    cms.update_brand(&second, "run-2").await.unwrap();
    cms.update_brand(&first, "run-1").await.unwrap();
    assert_eq!(stub.brands(), [second]);
    cms.delete_brand("b1", "run-3").await.unwrap();
    cms.update_brand(&first, "run-1").await.unwrap();
    assert_eq!(stub.brands(), []);
}

async fn a_delete_of_an_absent_brand_succeeds(Bench { cms, stub }: Bench<impl Cms>) {
    cms.delete_brand("b1", "run/delete").await.unwrap();
    assert_eq!(stub.deletes("b1"), 0);
    assert_eq!(stub.calls().deletes, 1);
}

async fn a_delete_repeated_with_its_key_acts_once(Bench { cms, stub }: Bench<impl Cms>) {
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
    Bench { cms, stub }: Bench<impl Cms>,
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

async fn a_late_duplicate_of_a_create_that_found_the_brand_there_does_not_bring_it_back(
    Bench { cms, stub }: Bench<impl Cms>,
) {
    cms.create_brand(&brand("b1", "Acme"), "run-1")
        .await
        .unwrap();
    cms.create_brand(&brand("b1", "Acme"), "run-2")
        .await
        .unwrap();
    cms.delete_brand("b1", "run-2/delete").await.unwrap();
    cms.create_brand(&brand("b1", "Acme"), "run-2")
        .await
        .unwrap();
    assert_eq!(stub.brands(), []);
}

async fn a_late_duplicate_of_a_delete_does_not_remove_what_was_created_since(
    Bench { cms, stub }: Bench<impl Cms>,
) {
    cms.delete_brand("b1", "run-1/delete").await.unwrap();
    cms.create_brand(&brand("b1", "Acme"), "run-2")
        .await
        .unwrap();
    cms.delete_brand("b1", "run-1/delete").await.unwrap();
    assert_eq!(stub.brands(), [brand("b1", "Acme")]);
}

async fn a_new_key_creates_again_what_was_deleted(Bench { cms, stub }: Bench<impl Cms>) {
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

async fn a_create_and_a_delete_may_bear_the_same_key(Bench { cms, stub }: Bench<impl Cms>) {
    cms.create_brand(&brand("b1", "Acme"), "run/step")
        .await
        .unwrap();
    cms.delete_brand("b1", "run/step").await.unwrap();
    assert_eq!(stub.brands(), []);
}

async fn a_key_that_was_used_for_another_brand_is_refused_for_good(
    Bench { cms, stub }: Bench<impl Cms>,
) {
    cms.create_brand(&brand("b1", "Acme"), "run").await.unwrap();
    let other = cms.create_brand(&brand("b2", "Other"), "run").await;
    assert_eq!(told(other), (422, false));
    assert_eq!(stub.brands(), [brand("b1", "Acme")]);
}

async fn every_call_is_counted(Bench { cms, stub }: Bench<impl Cms>) {
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
