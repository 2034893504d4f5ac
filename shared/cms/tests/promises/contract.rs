//! The stub keeps the contract of the port, in process and over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use cms::contract::{self, Editor, Subject};
use cms::{Cms, StubCms};

use crate::bench::{PATIENT, client, client_with_key, faults, in_process, start};

/// An editor of the stub.
struct StubEditor(StubCms);

#[async_trait]
impl Editor for StubEditor {
    async fn describe(&self, id: &str, text: &str) {
        self.0.describe(id, text);
    }

    async fn description(&self, id: &str) -> Option<String> {
        self.0.description(id)
    }

    async fn rename(&self, id: &str, name: &str) {
        assert!(self.0.edit(id, name));
    }

    async fn remove(&self, id: &str) {
        assert!(self.0.remove(id));
    }

    async fn add_other_entry(&self, name: &str) -> Option<String> {
        let own_id = self.0.add_entry(name, None);
        self.0.describe(&own_id, name);
        Some(own_id)
    }
}

async fn keeps_the_contract(cms: Arc<dyn Cms>, with_wrong_key: Arc<dyn Cms>, stub: StubCms) {
    let subject = Subject {
        cms: &cms,
        with_wrong_key: &with_wrong_key,
        editor: &StubEditor(stub.clone()),
        prefix: "0198c0de",
        unpublishes: false,
    };
    let cases = contract::run(subject).await;
    println!("{cases} cases run");
    assert_eq!(cases, 20);
    assert_eq!(stub.brands(), [], "each case deletes its brands");
}

#[tokio::test]
async fn it_is_kept_in_process() {
    let bench = in_process().await;
    let with_wrong_key = StubCms::new(None, faults(r#"[{"kind":"unauthorized"}]"#));
    keeps_the_contract(bench.cms, Arc::new(with_wrong_key), bench.stub).await;
}

#[tokio::test]
async fn it_is_kept_over_http() {
    let stub = in_process().await.stub;
    let url = format!("http://{}", start(stub.clone()).await);
    let with_wrong_key = client_with_key(&url, PATIENT, "wrong");
    keeps_the_contract(client(&url, PATIENT), with_wrong_key, stub).await;
}
