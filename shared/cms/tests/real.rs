//! Real CMSes keep the contract of the port: `python3 tests/cms/run.py payload|strapi -- cargo nextest run -p cms --all-features
//! --run-ignored only --test real`. Each test tries one way to keep brands, and is left out where `CMS_URL` names another CMS.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and prints what it tried"
)]

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, process};

use async_trait::async_trait;
use cms::contract::{self, Editor, Subject};
use cms::{
    Cms, CmsBrand, CmsConfig, CmsError, CmsKind, CmsModel, CmsUrl, EntryRef, EntryStatus, OnDelete,
};
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// The CMS that the environment names.
struct Server {
    url: String,
    key: String,
    client: Client,
    kind: CmsKind,
    model: CmsModel,
}

impl Server {
    /// None, and a line that says so, where the environment names no CMS of this kind.
    fn of(kind: CmsKind, model: CmsModel) -> Option<Self> {
        let (Ok(url), Ok(key)) = (env::var("CMS_URL"), env::var("CMS_API_KEY")) else {
            println!("LEFT OUT, nothing was tried: CMS_URL and CMS_API_KEY are not set");
            return None;
        };
        if !matches!(url.parse().unwrap(), CmsUrl::Http(named, _) if named == kind) {
            println!("LEFT OUT, nothing was tried: {url} is not a {kind:?} server");
            return None;
        }
        let _ = rustls::crypto::ring::default_provider().install_default();
        Some(Self {
            url,
            key,
            client: Client::builder().no_proxy().build().unwrap(),
            kind,
            model,
        })
    }

    fn cms(&self, key: &str) -> Arc<dyn Cms> {
        let config = CmsConfig::new(self.url.parse().unwrap(), key.parse().unwrap());
        let model = self.model.clone();
        CmsConfig { model, ..config }.cms().unwrap()
    }

    async fn keeps_the_contract(self) {
        let subject = Subject {
            cms: &self.cms(&self.key),
            with_wrong_key: &self.cms("wrong"),
            editor: &self,
            prefix: &fresh_prefix(),
            unpublishes: self.model.on_delete == OnDelete::Unpublish,
        };
        let cases = contract::run(subject).await;
        println!("{cases} cases run on {}", self.url);
        assert!(cases > 10);
    }

    fn id_field(&self) -> &str {
        let usual = match self.kind {
            CmsKind::Strapi => "external_id",
            _ => "id",
        };
        self.model.id_field.as_deref().unwrap_or(usual)
    }

    /// Sends a request as an editor; with drafts, about the draft.
    async fn send(&self, method: Method, path: &str, query: &str, body: Option<Value>) -> Value {
        let (_, base) = self.url.split_once('+').unwrap();
        let draft = match (self.kind, self.model.status) {
            (_, EntryStatus::Published) => "",
            (CmsKind::Strapi, _) => "&status=draft",
            _ => "&draft=true",
        };
        let url = format!("{base}/api/{}{path}?{query}{draft}", self.model.collection);
        let authorization = match self.kind {
            CmsKind::Strapi => format!("Bearer {}", self.key),
            _ => format!("{} API-Key {}", self.model.users_collection, self.key),
        };
        let mut request = self.client.request(method, &url);
        request = request.header("authorization", authorization);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{url}: {status} {text}");
        if text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&text).unwrap()
    }

    /// Changes the entry that bears this brand's id, as an editor.
    async fn edit(&self, id: &str, fields: Value) {
        let path = self.path_of(&self.find(id).await.unwrap());
        self.edit_at(&path, fields).await;
    }

    async fn edit_at(&self, path: &str, fields: Value) {
        let (method, body) = match self.kind {
            CmsKind::Strapi => (Method::PUT, json!({ "data": fields })),
            _ => (Method::PATCH, fields),
        };
        self.send(method, path, "", Some(body)).await;
    }

    /// Adds an entry, as an editor; returns the CMS's own id of it.
    async fn add(&self, fields: Value) -> String {
        let (entry, body) = match self.kind {
            CmsKind::Strapi => ("data", json!({ "data": fields })),
            _ => ("doc", fields),
        };
        let added = self.send(Method::POST, "", "", Some(body)).await;
        let path = self.path_of(added.get(entry).unwrap());
        path.trim_start_matches('/').to_owned()
    }

    fn path_of(&self, entry: &Value) -> String {
        let own_id = match self.kind {
            CmsKind::Strapi => "documentId",
            _ => "id",
        };
        match entry.get(own_id).unwrap() {
            Value::String(text) => format!("/{text}"),
            number => format!("/{number}"),
        }
    }

    async fn find(&self, id: &str) -> Option<Value> {
        let field = self.id_field();
        let (query, entries) = match self.kind {
            CmsKind::Strapi => (format!("filters[{field}][$eq]={id}"), "data"),
            _ => (format!("where[{field}][equals]={id}"), "docs"),
        };
        let found = self.send(Method::GET, "", &query, None).await;
        let mut entries = found.get(entries).unwrap().as_array().unwrap().clone();
        assert!(entries.len() < 2, "{found}");
        entries.pop()
    }
}

#[async_trait]
impl Editor for Server {
    async fn describe(&self, id: &str, text: &str) {
        self.edit(id, json!({ "description": text })).await;
    }

    async fn description(&self, id: &str) -> Option<String> {
        let entry = self.find(id).await?;
        entry.get("description")?.as_str().map(str::to_owned)
    }

    async fn rename(&self, id: &str, name: &str) {
        self.edit(id, json!({ &self.model.name_field: name })).await;
    }

    async fn remove(&self, id: &str) {
        let path = self.path_of(&self.find(id).await.unwrap());
        // As a whole: Strapi cannot delete a draft alone.
        let live = self.as_published();
        live.send(Method::DELETE, &path, "", None).await;
    }

    async fn add_other_entry(&self, name: &str) -> Option<String> {
        // Such an entry would take its own id for a brand's.
        if self.id_field() == "id" {
            return None;
        }
        let status = match self.model.status {
            EntryStatus::Published => "published",
            EntryStatus::Draft => "draft",
        };
        let mut fields = json!({ &self.model.name_field: name, "description": name });
        if self.kind == CmsKind::Payload {
            let fields = fields.as_object_mut().unwrap();
            fields.insert("_status".to_owned(), json!(status));
        }
        Some(self.add(fields).await)
    }
}

impl Server {
    async fn keeps_drafts_apart(self) {
        let cms = self.cms(&self.key);
        let id = format!("{}-0000-7000-8000-000000000000", fresh_prefix());
        let brand = |name: &str| CmsBrand {
            id: id.clone(),
            name: name.to_owned(),
        };
        let created = cms.create_brand(&brand("First"), &id).await.unwrap();
        assert_eq!(self.live_name(&id).await, None, "it is a draft");
        self.publish(&id).await;
        assert_eq!(self.live_name(&id).await.as_deref(), Some("First"));
        let second = brand("Second");
        let updated = cms.update_brand(&second, &created.entry, &id).await;
        assert_eq!(updated.unwrap().brand, second);
        let read = cms.get_brand(&id).await.unwrap().unwrap();
        assert_eq!(read.brand, second);
        let live = self.live_name(&id).await;
        assert_eq!(live.as_deref(), Some("First"), "an editor publishes it");
        cms.delete_brand(&id, &id).await.unwrap();
        assert_eq!(cms.get_brand(&id).await.unwrap(), None);
        assert_eq!(self.live_name(&id).await, None);
    }

    /// An editor publishes an entry.
    async fn publish(&self, id: &str) {
        let live = self.as_published();
        let fields = match self.kind {
            CmsKind::Strapi => json!({"description": "Published"}),
            _ => json!({"_status": "published"}),
        };
        let path = self.path_of(&self.find(id).await.unwrap());
        live.edit_at(&path, fields).await;
    }

    /// The name that the public sees.
    async fn live_name(&self, id: &str) -> Option<String> {
        let entry = self.as_published().find(id).await?;
        // Payload answers drafts as well.
        let is_live = entry.get("_status") != Some(&json!("draft"));
        let name = entry.get(&self.model.name_field)?.as_str()?;
        is_live.then(|| name.to_owned())
    }

    fn as_published(&self) -> Self {
        let model = CmsModel {
            status: EntryStatus::Published,
            ..self.model.clone()
        };
        Self {
            url: self.url.clone(),
            key: self.key.clone(),
            client: self.client.clone(),
            kind: self.kind,
            model,
        }
    }
}

macro_rules! kept {
    ($($promise:ident: $kind:ident, $model:expr;)*) => {
        $(#[tokio::test]
        #[ignore = "needs a real CMS: tests/cms/run.py"]
        async fn $promise() {
            if let Some(server) = Server::of(CmsKind::$kind, $model) {
                server.keeps_the_contract().await;
            }
        })*
    };
}

/// Eight digits that no earlier run had.
fn fresh_prefix() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let number = now.as_secs() ^ u64::from(now.subsec_nanos()) ^ u64::from(process::id());
    format!("{:08x}", number & 0xffff_ffff)
}

#[tokio::test]
#[ignore = "needs a real CMS: tests/cms/run.py"]
async fn a_draft_does_not_go_live_before_an_editor_publishes_it() {
    for kind in [CmsKind::Payload, CmsKind::Strapi] {
        if let Some(server) = Server::of(kind, drafts()) {
            server.keeps_drafts_apart().await;
        }
    }
}

#[tokio::test]
#[ignore = "needs a real CMS: tests/cms/run.py"]
async fn a_document_that_is_not_published_is_published_and_not_doubled() {
    let Some(server) = Server::of(CmsKind::Strapi, CmsModel::default()) else {
        return;
    };
    let id = format!("{}-0000-7000-8000-000000000000", fresh_prefix());
    let description = "An editor's words";
    let draft = json!({"external_id": id, "name": "Draft", "description": description});
    let body = Some(json!({ "data": draft }));
    server.send(Method::POST, "", "status=draft", body).await;

    let cms = server.cms(&server.key);
    assert_eq!(cms.get_brand(&id).await.unwrap(), None);
    let brand = CmsBrand {
        id: id.clone(),
        name: "Published".to_owned(),
    };
    let created = cms.create_brand(&brand, &id).await.unwrap();
    assert_eq!(cms.get_brand(&id).await.unwrap(), Some(created));
    // Fails where it finds two.
    assert_eq!(server.description(&id).await.as_deref(), Some(description));
    cms.delete_brand(&id, &id).await.unwrap();
    assert_eq!(cms.get_brand(&id).await.unwrap(), None);
}

#[tokio::test]
#[ignore = "needs a real CMS: tests/cms/run.py"]
async fn an_editors_unfinished_draft_is_not_listed_as_unlinked() {
    for (kind, model) in [
        (CmsKind::Payload, drafted_labels()),
        (CmsKind::Strapi, CmsModel::default()),
    ] {
        let Some(server) = Server::of(kind, model) else {
            continue;
        };
        let drafts = Server {
            model: CmsModel {
                status: EntryStatus::Draft,
                ..server.model.clone()
            },
            ..server.as_published()
        };
        let draft = drafts.add_other_entry("Unfinished").await.unwrap();
        let finished = server.add_other_entry("Finished").await.unwrap();
        for (server, expected) in [(&server, false), (&drafts, true)] {
            let cms = server.cms(&server.key);
            let listed = cms.list_unlinked(None, 100).await.unwrap().entries;
            let has = |own_id: &str| {
                let mut entries = listed.iter();
                entries.any(|entry| entry.entry.id.as_deref() == Some(own_id))
            };
            assert_eq!((has(&draft), has(&finished)), (expected, true));
        }
    }
}

#[tokio::test]
#[ignore = "needs a real CMS: tests/cms/run.py"]
async fn an_emptied_id_is_one_that_is_not_there() {
    for (kind, model) in [
        (CmsKind::Payload, labels()),
        (CmsKind::Strapi, CmsModel::default()),
    ] {
        let Some(server) = Server::of(kind, model) else {
            continue;
        };
        let cms = server.cms(&server.key);
        let name = &server.model.name_field;
        let fields = json!({ name: "Emptied", server.id_field(): "" });
        let own_id = server.add(fields).await;
        let listed = cms.list_brands(None, 100).await.unwrap().entries;
        assert!(listed.iter().all(|entry| !entry.brand.id.is_empty()));
        let listed = cms.list_unlinked(None, 100).await.unwrap().entries;
        let found = listed.into_iter();
        let mut found = found.filter(|entry| entry.entry.id.as_ref() == Some(&own_id));
        let found = found.next().unwrap();
        let id = format!("{}-0000-7000-8000-00000000000e", fresh_prefix());
        let brand = CmsBrand {
            name: "Linked".to_owned(),
            id,
        };
        let linked = cms.link_brand(&brand, &found.entry, "").await.unwrap();
        assert_eq!(cms.get_brand(&brand.id).await.unwrap(), Some(linked));
        cms.delete_brand(&brand.id, "").await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs a real CMS: tests/cms/run.py"]
async fn any_known_name_is_compared_as_it_is() {
    for (kind, model) in [
        (CmsKind::Payload, CmsModel::default()),
        (CmsKind::Payload, drafts()),
        (CmsKind::Strapi, CmsModel::default()),
        (CmsKind::Strapi, drafts()),
    ] {
        let Some(server) = Server::of(kind, model) else {
            continue;
        };
        let cms = server.cms(&server.key);
        let id = format!("{}-0000-7000-8000-00000000000f", fresh_prefix());
        let mut brand = CmsBrand {
            id: id.clone(),
            name: "First".to_owned(),
        };
        let mut known = cms.create_brand(&brand, "").await.unwrap();
        for name in [
            "a, b,c",
            "\"quoted\" 'too' \\",
            "100% %20 a_b* ?",
            "🦀👩‍👩‍👧 e\u{301}",
            " leading",
            "trailing ",
            "null",
            "true",
            "0",
            "[a]=b&c#+;",
            "ö",
            "Ö",
        ] {
            let entry = |name: &str| EntryRef {
                name: Some(name.to_owned()),
                ..known.entry.clone()
            };
            name.clone_into(&mut brand.name);
            let stale = entry(&format!("{} ", known.brand.name));
            let error = cms.update_brand(&brand, &stale, "").await.unwrap_err();
            assert!(matches!(error, CmsError::Conflict { .. }), "{error:?}");
            let current = entry(&known.brand.name);
            known = cms.update_brand(&brand, &current, "").await.unwrap();
            assert_eq!(known.brand, brand);
        }
        cms.delete_brand(&id, "").await.unwrap();
    }
}

kept! {
    payload_keeps_it_with_ids_of_ours: Payload, CmsModel::default();
    payload_keeps_it_with_ids_of_its_own: Payload, labels();
    payload_keeps_it_with_ids_of_its_own_and_a_status: Payload, drafted_labels();
    payload_keeps_it_with_ids_of_its_own_and_drafts: Payload, CmsModel {
        status: EntryStatus::Draft,
        ..drafted_labels()
    };
    payload_keeps_it_where_names_are_unique: Payload, CmsModel {
        collection: "unique-brands".to_owned(),
        ..CmsModel::default()
    };
    payload_keeps_it_with_drafts: Payload, drafts();
    payload_keeps_it_where_a_deletion_unpublishes: Payload, CmsModel {
        on_delete: OnDelete::Unpublish,
        ..CmsModel::default()
    };
    strapi_keeps_it: Strapi, CmsModel::default();
    strapi_keeps_it_with_drafts: Strapi, drafts();
}

fn drafts() -> CmsModel {
    CmsModel {
        status: EntryStatus::Draft,
        ..CmsModel::default()
    }
}

/// Ids of Payload's own, and drafts.
fn drafted_labels() -> CmsModel {
    CmsModel {
        collection: "drafted-labels".to_owned(),
        ..labels()
    }
}

fn labels() -> CmsModel {
    CmsModel {
        collection: "labels".to_owned(),
        id_field: Some("external_id".to_owned()),
        name_field: "title".to_owned(),
        ..CmsModel::default()
    }
}
