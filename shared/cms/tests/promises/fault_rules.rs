//! The stub fails as it is told, and a client behind HTTP is told the same as one in this process.

use std::time::Duration;

use cms::Cms;

use crate::bench::{Bench, brand, faults, told, until};
use crate::contract::kept_by_both;

kept_by_both! {
    a_fault_comes_before_or_after_the_act_as_its_rule_says
    a_rule_with_times_is_used_up_and_the_repeat_then_acts_once
    an_after_rule_that_always_applies_fails_every_repeat_and_acts_once
    a_rule_by_name_spares_the_others
    a_delete_rule_by_name_knows_the_brand_by_its_stored_name_even_when_it_is_gone
    a_transient_fault_tells_when_to_try_again
    a_hanging_call_is_never_answered_and_acts_as_its_rule_says
    new_rules_replace_the_old_ones
}

async fn a_fault_comes_before_or_after_the_act_as_its_rule_says(
    Bench { cms, stub }: Bench<impl Cms>,
) {
    let mut injected = 0;
    for (kind, meaning) in [("transient", (503, true)), ("permanent", (422, false))] {
        for when in ["before", "after"] {
            let acted = u64::from(when == "after");
            let id = format!("{kind}-{when}");

            stub.set_faults(rule("create", kind, when));
            let created = cms.create_brand(&brand(&id, "Doomed"), &id).await;
            assert_eq!(told(created), meaning, "create {kind} {when}");
            assert_eq!(stub.creates(&id), acted, "create {kind} {when}");
            injected += 1;

            stub.set_faults(rule("delete", kind, when));
            // So that there is something to delete, whatever the create above came to.
            stub.create(&brand(&id, "Doomed"), None).await.unwrap();
            let deleted = cms.delete_brand(&id, &id).await;
            assert_eq!(told(deleted), meaning, "delete {kind} {when}");
            assert_eq!(stub.deletes(&id), acted, "delete {kind} {when}");
            injected += 1;
        }
    }
    println!("{injected} faults injected");
    assert_eq!(injected, 8);
}

async fn a_rule_with_times_is_used_up_and_the_repeat_then_acts_once(
    Bench { cms, stub }: Bench<impl Cms>,
) {
    for when in ["before", "after"] {
        stub.set_faults(faults(&format!(
            r#"[{{"operation":"create","kind":"transient","when":"{when}","times":2}}]"#
        )));
        for _ in 0..2 {
            let failed = cms.create_brand(&brand(when, "Acme"), when).await;
            assert_eq!(told(failed), (503, true));
        }
        cms.create_brand(&brand(when, "Acme"), when).await.unwrap();
        assert_eq!(stub.brand(when), Some(brand(when, "Acme")));
        assert_eq!(stub.creates(when), 1);
    }
}

async fn an_after_rule_that_always_applies_fails_every_repeat_and_acts_once(
    Bench { cms, stub }: Bench<impl Cms>,
) {
    stub.set_faults(rule("create", "permanent", "after"));
    for _ in 0..3 {
        let failed = cms.create_brand(&brand("b1", "Acme"), "run").await;
        assert_eq!(told(failed), (422, false));
    }
    assert_eq!(stub.creates("b1"), 1);
}

async fn a_rule_by_name_spares_the_others(Bench { cms, stub }: Bench<impl Cms>) {
    stub.set_faults(faults(
        r#"[{"operation":"create","name":"Doomed","kind":"permanent","when":"before"}]"#,
    ));
    let doomed = cms.create_brand(&brand("b1", "Doomed"), "run-1").await;
    assert_eq!(told(doomed), (422, false));
    cms.create_brand(&brand("b2", "Acme"), "run-2")
        .await
        .unwrap();
    assert_eq!(stub.brands(), [brand("b2", "Acme")]);
}

async fn a_delete_rule_by_name_knows_the_brand_by_its_stored_name_even_when_it_is_gone(
    Bench { cms, stub }: Bench<impl Cms>,
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
        assert_eq!(told(failed), (503, true));
    }
    assert_eq!(stub.brands(), []);
    assert_eq!(stub.deletes("b1"), 1);
}

async fn a_transient_fault_tells_when_to_try_again(Bench { cms, stub }: Bench<impl Cms>) {
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

async fn a_hanging_call_is_never_answered_and_acts_as_its_rule_says(
    Bench { cms, stub }: Bench<impl Cms>,
) {
    for (calls, when, acted) in [(1, "before", 0), (2, "after", 1)] {
        stub.set_faults(rule("create", "hang", when));
        let acme = brand(when, "Acme");
        tokio::select! {
            biased;
            answer = cms.create_brand(&acme, when) => panic!("answered: {answer:?}"),
            () = until(|| stub.calls().creates == calls) => {}
        }
        assert_eq!(stub.creates(when), acted, "{when}");
    }
}

async fn new_rules_replace_the_old_ones(Bench { cms, stub }: Bench<impl Cms>) {
    stub.set_faults(rule("create", "permanent", "before"));
    stub.set_faults(faults("[]"));
    cms.create_brand(&brand("b1", "Acme"), "run").await.unwrap();
}

fn rule(operation: &str, kind: &str, when: &str) -> cms::Faults {
    faults(&format!(
        r#"[{{"operation":"{operation}","kind":"{kind}","when":"{when}"}}]"#
    ))
}
