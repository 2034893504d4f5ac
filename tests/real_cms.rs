//! The journey of a brand to a real CMS, which `tests/cms/run.py` has started and the stack uses: created, renamed, deleted, with
//! an outage and with a worker killed while the CMS is at work on its request.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{env, process::Command, sync::Arc};

use brand::{BrandId, CMS_SUBSCRIBER};
use cms::{Cms, CmsBrand, CmsConfig};
use reqwest::Method;
use serde_json::json;
use system_tests::{Functions, Stack, until};

/// The CMS, as the stack reaches it.
fn cms() -> Arc<dyn Cms> {
    let variable = |name| env::var(name).unwrap();
    let url = variable("CMS_URL").parse().unwrap();
    let api_key = variable("CMS_API_KEY").parse().unwrap();
    CmsConfig::new(url, api_key).cms().unwrap()
}

async fn name_in(cms: &dyn Cms, id: BrandId) -> Option<String> {
    let entry = cms.get_brand(&id.to_string()).await.unwrap();
    entry.map(|entry| entry.brand.name)
}

/// How many entries of the CMS bear the brand's id, as the list has it.
async fn entries_of(cms: &dyn Cms, id: BrandId) -> Vec<CmsBrand> {
    let (id, mut after, mut found) = (id.to_string(), None, Vec::new());
    loop {
        let page = cms.list_brands(after.as_deref(), 100).await.unwrap();
        let entries = page.entries.into_iter().map(|entry| entry.brand);
        found.extend(entries.filter(|brand| brand.id == id));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

/// Sends the CMS's process a signal.
fn signal(signal: &str) {
    let process = env::var("CMS_PID").unwrap();
    kill(signal, &[process]);
}

fn kill(signal: &str, processes: &[String]) {
    let killed = Command::new("kill").arg(signal).args(processes).status();
    assert!(killed.unwrap().success());
}

/// The processes of sync-brand.
fn workers() -> Vec<String> {
    let functions = Functions::from_env().unwrap();
    let listed = Command::new("ps").args(["-axo", "pid=,command="]).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let processes = listed
        .lines()
        .filter_map(|line| line.trim().split_once(' '));
    let workers = processes.filter(|(_, command)| {
        let name = functions.name_of(command.trim());
        name == Some("sync-brand")
    });
    workers.map(|(id, _)| id.to_owned()).collect()
}

/// One test, since the outages are everybody's.
#[tokio::test]
#[ignore = "needs the local stack with a real CMS: make test-cms"]
async fn a_brand_is_created_renamed_and_deleted_in_a_real_cms_whatever_fails_on_the_way() {
    let (stack, cms) = (Stack::connect().await, cms());
    let id = stack.create_brand("Acme \"&\" Söhne").await;
    stack.synced(id).await;
    let name = name_in(&*cms, id).await;
    assert_eq!(name.as_deref(), Some("Acme \"&\" Söhne"));

    let path = format!("/admin/brands/{id}");
    let renamed = json!({ "name": "Globex" });
    let (status, answer) = stack.send_to_api(Method::POST, &path, renamed).await;
    assert_eq!(status, 200, "{answer}");
    stack.synced(id).await;
    assert_eq!(name_in(&*cms, id).await.as_deref(), Some("Globex"));
    println!("created and renamed");

    // An outage: the CMS takes connections, and answers nothing.
    signal("-STOP");
    let late = stack.create_brand("Late").await;
    until("a worker asks the CMS", async || {
        let row = stack.row(late).await?;
        row.subscriber(CMS_SUBSCRIBER).run
    })
    .await;
    // The worker dies while the CMS has its request, on which it acts when it goes on.
    let killed = workers();
    assert!(!killed.is_empty(), "no worker was there to be killed");
    kill("-9", &killed);
    println!("killed {} workers", killed.len());
    signal("-CONT");
    stack.synced(late).await;
    assert_eq!(entries_of(&*cms, late).await.len(), 1);
    println!("synced after the outage, once");

    let (status, answer) = stack.send_to_api(Method::DELETE, &path, json!({})).await;
    assert_eq!(status, 200, "{answer}");
    stack.synced(id).await;
    assert_eq!(entries_of(&*cms, id).await, []);
    println!("deleted");
}
