//! The stub fails by its rules, and a client over HTTP sees the same as a caller in process.

use std::time::Duration;

use cms::{CmsError, Faults};

use crate::bench::{
    Bench, brand, failure, faults, in_process, kept_by_both, over_http, unknown, until,
};

kept_by_both! {
    a_fault_comes_before_or_after_the_act_as_its_rule_says
    a_rule_with_times_is_used_up_and_the_repeat_then_acts_once
    an_after_rule_that_always_applies_fails_every_repeat_and_acts_once
    a_rule_by_name_spares_the_others
    a_delete_rule_by_name_knows_the_brand_by_its_stored_name_even_when_it_is_gone
    a_rule_with_a_status_answers_it
    a_rule_without_an_operation_fails_reads_too
    a_transient_fault_says_when_to_try_again
    a_retry_after_comes_as_a_date_where_its_rule_says_so
    a_page_in_place_of_an_answer_has_the_cms_asked
    a_kept_failure_answers_its_key_again_and_no_other
    a_kept_failure_after_the_act_hides_what_was_done
    a_rule_for_existing_brands_fails_the_second_create_alone
    a_create_that_acts_and_answers_500_answers_500_again
    a_taken_name_is_a_conflict_of_the_new_brand_alone
    a_hanging_call_is_never_answered_and_acts_as_its_rule_says
    new_rules_replace_the_old_ones
}

async fn a_fault_comes_before_or_after_the_act_as_its_rule_says(Bench { cms, stub }: Bench) {
    let kinds = [
        ("transient", (503, true)),
        ("permanent", (422, false)),
        ("unauthorized", (401, true)),
        ("forbidden", (403, true)),
        ("conflict", (409, false)),
        ("errors", (200, false)),
    ];
    let mut injected = 0;
    for (kind, meaning) in kinds {
        for when in ["before", "after"] {
            let acted = u64::from(when == "after");
            let id = format!("{kind}-{when}");
            let doomed = brand(&id, "Doomed");

            stub.set_faults(rule("create", kind, when));
            let created = cms.create_brand(&doomed, &id).await;
            assert_eq!(failure(created), meaning, "create {kind} {when}");
            assert_eq!(stub.creates(&id), acted, "create {kind} {when}");

            stub.set_faults(Faults::default());
            if acted == 0 {
                cms.create_brand(&doomed, &format!("{id}-again"))
                    .await
                    .unwrap();
            }

            stub.set_faults(rule("update", kind, when));
            let renamed = brand(&id, "Renamed");
            let updated = cms.update_brand(&renamed, &unknown(), &id).await;
            assert_eq!(failure(updated), meaning, "update {kind} {when}");
            assert_eq!(
                stub.stats().acts[&id].updates,
                acted,
                "update {kind} {when}"
            );

            stub.set_faults(rule("delete", kind, when));
            let deleted = cms.delete_brand(&id, &id).await;
            assert_eq!(failure(deleted), meaning, "delete {kind} {when}");
            assert_eq!(stub.deletes(&id), acted, "delete {kind} {when}");
            injected += 3;
        }
    }
    println!("{injected} faults injected");
    assert_eq!(injected, 36);
}

async fn a_rule_with_times_is_used_up_and_the_repeat_then_acts_once(Bench { cms, stub }: Bench) {
    for when in ["before", "after"] {
        stub.set_faults(faults(&format!(
            r#"[{{"operation":"create","kind":"transient","when":"{when}","times":2}}]"#
        )));
        for _ in 0..2 {
            let failed = cms.create_brand(&brand(when, "Acme"), when).await;
            assert_eq!(failure(failed), (503, true));
        }
        cms.create_brand(&brand(when, "Acme"), when).await.unwrap();
        assert_eq!(stub.brand(when), Some(brand(when, "Acme")));
        assert_eq!(stub.creates(when), 1);
    }
}

async fn an_after_rule_that_always_applies_fails_every_repeat_and_acts_once(
    Bench { cms, stub }: Bench,
) {
    stub.set_faults(rule("create", "permanent", "after"));
    for _ in 0..3 {
        let failed = cms.create_brand(&brand("b1", "Acme"), "run").await;
        assert_eq!(failure(failed), (422, false));
    }
    assert_eq!(stub.creates("b1"), 1);
}

async fn a_rule_by_name_spares_the_others(Bench { cms, stub }: Bench) {
    stub.set_faults(faults(
        r#"[{"operation":"create","name":"Doomed","kind":"permanent","when":"before"}]"#,
    ));
    let doomed = cms.create_brand(&brand("b1", "Doomed"), "run-1").await;
    assert_eq!(failure(doomed), (422, false));
    cms.create_brand(&brand("b2", "Acme"), "run-2")
        .await
        .unwrap();
    assert_eq!(stub.brands(), [brand("b2", "Acme")]);
}

async fn a_delete_rule_by_name_knows_the_brand_by_its_stored_name_even_when_it_is_gone(
    Bench { cms, stub }: Bench,
) {
    stub.set_faults(faults(
        r#"[{"operation":"delete","name":"Doomed","kind":"transient","when":"after"}]"#,
    ));
    cms.create_brand(&brand("b1", "Doomed"), "run-1")
        .await
        .unwrap();
    cms.create_brand(&brand("b2", "Acme"), "run-2")
        .await
        .unwrap();
    cms.delete_brand("b2", "run-2").await.unwrap();
    for _ in 0..2 {
        let failed = cms.delete_brand("b1", "run-1").await;
        assert_eq!(failure(failed), (503, true));
    }
    assert_eq!(stub.brands(), []);
    assert_eq!(stub.deletes("b1"), 1);
}

async fn a_rule_with_a_status_answers_it(Bench { cms, stub }: Bench) {
    for (kind, status, is_transient) in [
        ("transient", 500, true),
        ("transient", 429, true),
        ("transient", 504, true),
        ("permanent", 400, false),
        ("permanent", 451, false),
    ] {
        stub.set_faults(faults(&format!(
            r#"[{{"kind":"{kind}","status":{status}}}]"#
        )));
        let failed = cms.create_brand(&brand("b1", "Acme"), "run").await;
        assert_eq!(failure(failed), (status, is_transient));
    }
}

async fn a_rule_without_an_operation_fails_reads_too(Bench { cms, stub }: Bench) {
    cms.create_brand(&brand("b1", "Acme"), "run").await.unwrap();
    for (kind, meaning) in [
        ("transient", (503, true)),
        ("unauthorized", (401, true)),
        ("forbidden", (403, true)),
        // None of these says anything about the brand.
        ("permanent", (422, true)),
        ("conflict", (409, true)),
        ("errors", (200, true)),
        ("page", (200, true)),
    ] {
        stub.set_faults(faults(&format!(r#"[{{"kind":"{kind}"}}]"#)));
        assert_eq!(failure(cms.get_brand("b1").await), meaning, "{kind}");
        assert_eq!(failure(cms.list_brands(None, 9).await), meaning, "{kind}");
    }
}

async fn a_transient_fault_says_when_to_try_again(Bench { cms, stub }: Bench) {
    stub.set_faults(faults(
        r#"[{"operation":"create","kind":"transient","when":"before","retry_after_seconds":7,"times":1},
            {"operation":"create","kind":"transient","when":"before"}]"#,
    ));
    let mut waits = Vec::new();
    for _ in 0..2 {
        let failed = cms.create_brand(&brand("b1", "Acme"), "run").await;
        waits.push(failed.unwrap_err().retry_after());
    }
    assert_eq!(waits, [Some(Duration::from_secs(7)), None]);
}

async fn a_retry_after_comes_as_a_date_where_its_rule_says_so(Bench { cms, stub }: Bench) {
    stub.set_faults(faults(
        r#"[{"kind":"transient","retry_after_seconds":90,"retry_after_date":true}]"#,
    ));
    let failed = cms.create_brand(&brand("b1", "Acme"), "run").await;
    let wait = failed.unwrap_err().retry_after();
    assert_eq!(wait, Some(Duration::from_secs(90)));
}

async fn a_page_in_place_of_an_answer_has_the_cms_asked(Bench { cms, stub }: Bench) {
    let acme = brand("b1", "Acme");
    stub.set_faults(rule("create", "page", "before"));
    let failed = cms.create_brand(&acme, "run-1").await;
    assert_eq!(failure(failed), (200, true));
    assert_eq!(stub.brands(), []);

    stub.set_faults(rule("create", "page", "after"));
    let entry = cms.create_brand(&acme, "run-2").await.unwrap();
    assert_eq!(Some(entry), cms.get_brand("b1").await.unwrap());

    stub.set_faults(rule("update", "page", "before"));
    let renamed = brand("b1", "Renamed");
    let failed = cms.update_brand(&renamed, &unknown(), "run-3").await;
    assert_eq!(failure(failed), (200, true));

    stub.set_faults(rule("delete", "page", "after"));
    let failed = cms.delete_brand("b1", "run-4").await;
    assert_eq!(failure(failed), (200, true));
    assert_eq!(stub.brands(), []);
}

async fn a_kept_failure_answers_its_key_again_and_no_other(Bench { cms, stub }: Bench) {
    stub.set_faults(faults(
        r#"[{"operation":"create","kind":"transient","status":500,"kept":true,"times":1}]"#,
    ));
    let acme = brand("b1", "Acme");
    for _ in 0..3 {
        let failed = cms.create_brand(&acme, "run-1").await;
        assert_eq!(failure(failed), (500, true));
    }
    assert_eq!(stub.brands(), []);
    let other = cms.create_brand(&brand("b2", "Other"), "run-1").await;
    assert_eq!(failure(other), (422, false), "the key is another request's");
    cms.create_brand(&acme, "run-2").await.unwrap();
    assert_eq!(stub.brands(), [acme]);
}

async fn a_kept_failure_after_the_act_hides_what_was_done(Bench { cms, stub }: Bench) {
    stub.set_faults(faults(
        r#"[{"operation":"create","kind":"transient","when":"after","kept":true,"times":1}]"#,
    ));
    let acme = brand("b1", "Acme");
    for _ in 0..2 {
        let failed = cms.create_brand(&acme, "run-1").await;
        assert_eq!(failure(failed), (503, true));
    }
    assert_eq!(stub.creates("b1"), 1);
    assert_eq!(cms.get_brand("b1").await.unwrap().unwrap().brand, acme);
}

async fn a_rule_for_existing_brands_fails_the_second_create_alone(Bench { cms, stub }: Bench) {
    stub.set_faults(faults(
        r#"[{"operation":"create","only":"existing","kind":"transient","status":500}]"#,
    ));
    let acme = brand("b1", "Acme");
    cms.create_brand(&acme, "run-1").await.unwrap();
    let again = cms.create_brand(&acme, "run-2").await;
    assert_eq!(failure(again), (500, true));
    cms.create_brand(&brand("b2", "Acme"), "run-3")
        .await
        .unwrap();
    assert_eq!(stub.creates("b1"), 1);
}

async fn a_create_that_acts_and_answers_500_answers_500_again(Bench { cms, stub }: Bench) {
    stub.set_faults(faults(
        r#"[{"operation":"create","only":"existing","kind":"transient","status":500},
            {"operation":"create","kind":"transient","status":500,"when":"after"}]"#,
    ));
    let acme = brand("b1", "Acme");
    for key in ["run-1", "run-1", "run-2"] {
        let failed = cms.create_brand(&acme, key).await;
        assert_eq!(failure(failed), (500, true));
    }
    assert_eq!(stub.creates("b1"), 1);
    assert_eq!(cms.get_brand("b1").await.unwrap().unwrap().brand, acme);
}

async fn a_taken_name_is_a_conflict_of_the_new_brand_alone(Bench { cms, stub }: Bench) {
    stub.set_faults(faults(
        r#"[{"operation":"create","name":"Acme","kind":"conflict"}]"#,
    ));
    let error = cms.create_brand(&brand("b1", "Acme"), "run-1").await;
    let error = error.unwrap_err();
    assert!(
        matches!(&error, CmsError::Conflict { status: 409, message } if message.contains("name is taken")),
        "{error:?}"
    );
    assert_eq!(cms.get_brand("b1").await.unwrap(), None);
    cms.create_brand(&brand("b2", "Other"), "run-2")
        .await
        .unwrap();
}

#[test]
fn every_rule_in_the_readme_is_valid() {
    let readme = include_str!("../../README.md");
    let rules = readme
        .split('`')
        .filter(|text| text.starts_with("[{"))
        .map(|text| faults(text).is_empty());
    assert_eq!(rules.collect::<Vec<_>>(), [false; 11]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_begins_anew_each_second() {
    let Bench { cms, stub } = in_process().await;
    stub.set_faults(faults(
        r#"[{"kind":"limit","per_second":2,"retry_after_seconds":1}]"#,
    ));
    for _ in 0..3 {
        for _ in 0..2 {
            cms.get_brand("b1").await.unwrap();
        }
        let error = cms.get_brand("b1").await.unwrap_err();
        assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
        assert_eq!(failure::<()>(Err(error)), (429, true));
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn a_limit_holds_over_http_too() {
    let Bench { cms, stub } = over_http().await;
    stub.set_faults(faults(
        r#"[{"operation":"create","kind":"limit","per_second":2,"retry_after_seconds":1}]"#,
    ));
    let mut created = 0;
    let error = loop {
        let id = format!("b{created}");
        match cms.create_brand(&brand(&id, "Acme"), &id).await {
            Ok(_) => created += 1,
            Err(error) => break error,
        }
    };
    assert!(created >= 2);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    assert_eq!(failure::<()>(Err(error)), (429, true));
    assert_eq!(stub.brands().len(), created);
}

async fn a_hanging_call_is_never_answered_and_acts_as_its_rule_says(Bench { cms, stub }: Bench) {
    for (calls, when, acted) in [(1, "before", 0), (2, "after", 1)] {
        stub.set_faults(rule("create", "hang", when));
        let acme = brand(when, "Acme");
        tokio::select! {
            biased;
            answer = cms.create_brand(&acme, when) => panic!("it was answered: {answer:?}"),
            () = until(|| stub.calls().creates == calls) => {}
        }
        assert_eq!(stub.creates(when), acted, "{when}");
    }
}

async fn new_rules_replace_the_old_ones(Bench { cms, stub }: Bench) {
    stub.set_faults(rule("create", "permanent", "before"));
    stub.set_faults(faults("[]"));
    cms.create_brand(&brand("b1", "Acme"), "run").await.unwrap();
}

fn rule(operation: &str, kind: &str, when: &str) -> Faults {
    faults(&format!(
        r#"[{{"operation":"{operation}","kind":"{kind}","when":"{when}"}}]"#
    ))
}
