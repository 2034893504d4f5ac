//! A reconciliation with a real CMS, in which editors have worked by its own means: `python3 tests/cms/run.py payload -- cargo nextest
//! run -p reconcile-brands --all-features --run-ignored only --test real`. `BRANDS` says how many brands there are, and a twentieth of
//! them is edited in each way.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking and prints what it tried"
)]

use std::{env, sync::Arc, time::Instant};

use brand::{
    Brand, BrandId, BrandName, BrandWriter, CMS_SUBSCRIBER, Created, MemoryBrandStore, Timestamp,
};
use circuit::{CircuitBreaker, CircuitConfig, CircuitGate, MemoryCircuitStore, Pace};
use cms::{Cms, CmsConfig, CmsKind, CmsModel, CmsUrl};
use reconcile::{
    Class, Conflicts, Edits, Made, MemoryReconciliationStore, Orphans, Policies,
    ReconciliationStore, Report,
};
use reconcile_brands::{Answer, CmsCaller, Event, ReconcileBrands};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use workflow::SystemEnvironment;

use self::sync::sync_one;

#[path = "handler/sync.rs"]
mod sync;

/// The collection of the test server that no other test uses.
const COLLECTION: &str = "reconciled-labels";

/// Payload, for an editor.
struct Payload {
    base: String,
    key: String,
    client: Client,
}

impl Payload {
    async fn send(&self, method: Method, query: &str, body: Option<Value>) {
        let url = format!("{}/api/{COLLECTION}{query}", self.base);
        let mut request = self.client.request(method, &url);
        request = request.header("authorization", format!("users API-Key {}", self.key));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        assert!(status.is_success(), "{url}: {status}");
    }

    async fn rename(&self, id: BrandId, name: &str) {
        let query = format!("?where[external_id][equals]={id}");
        let body = Some(json!({ "title": name }));
        self.send(Method::PATCH, &query, body).await;
    }

    async fn delete(&self, id: BrandId) {
        let query = format!("?where[external_id][equals]={id}");
        self.send(Method::DELETE, &query, None).await;
    }

    async fn make(&self, name: &str, id: Option<BrandId>) {
        let id = id.map(|id| id.to_string());
        let body = json!({ "title": name, "external_id": id });
        self.send(Method::POST, "", Some(body)).await;
    }
}

struct World {
    brands: MemoryBrandStore,
    cms: Arc<dyn Cms>,
    kept: Arc<MemoryReconciliationStore>,
}

impl World {
    async fn sync(&self) {
        for row in self.brands.all_rows() {
            if row.due_at.is_some() {
                let token = BrandId::new(Timestamp::now()).to_string();
                sync_one(&self.brands, &*self.cms, row.brand.id, &token).await;
            }
        }
    }

    async fn reconcile(&self, policies: Policies) -> Report {
        let circuits = Arc::new(MemoryCircuitStore::default());
        let breaker = CircuitBreaker::new(circuits, CMS_SUBSCRIBER, CircuitConfig::default());
        let handler = ReconcileBrands {
            brands: self.brands.clone(),
            caller: CmsCaller {
                cms: self.cms.clone(),
                gate: CircuitGate::new(breaker),
                pace: Pace::new(None),
                reports: None,
                timeout: std::time::Duration::from_secs(5),
                environment: Arc::new(SystemEnvironment),
            },
            kept: self.kept.clone(),
            inbox: self.kept.clone(),
            policies,
            target: "payload".to_owned(),
            absent_is_deleted: true,
        };
        let begun = Instant::now();
        let mut answer = handler.handle(Event { begin: true }, None).await.unwrap();
        while answer == Answer::UnderWay {
            answer = handler.handle(Event::default(), None).await.unwrap();
        }
        let kept = self.kept.load(CMS_SUBSCRIBER).await.unwrap();
        let report = kept.report.unwrap();
        println!(
            "{} brands, {} entries: {:?}, {} requests, {:?}; mended {:?}",
            report.brands,
            report.entries,
            begun.elapsed(),
            report.requests,
            report.counts,
            report.repaired,
        );
        assert_eq!(answer, Answer::Done, "{:?}", report.stopped);
        report
    }
}

#[tokio::test]
#[ignore = "needs a real CMS: tests/cms/run.py"]
async fn what_editors_have_done_in_payload_is_found_exactly_and_taken_in() {
    let (Ok(url), Ok(key)) = (env::var("CMS_URL"), env::var("CMS_API_KEY")) else {
        println!("LEFT OUT, nothing was tried: CMS_URL and CMS_API_KEY are not set");
        return;
    };
    if !matches!(url.parse().unwrap(), CmsUrl::Http(CmsKind::Payload, _)) {
        println!("LEFT OUT, nothing was tried: {url} is not a Payload server");
        return;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let brands = env::var("BRANDS").map_or(200, |brands| brands.parse().unwrap());
    let each: usize = brands / 20;
    let config = CmsConfig::new(url.parse().unwrap(), key.parse().unwrap());
    let model = CmsModel {
        collection: COLLECTION.to_owned(),
        id_field: Some("external_id".to_owned()),
        name_field: "title".to_owned(),
        ..CmsModel::default()
    };
    let world = World {
        brands: MemoryBrandStore::new(),
        cms: CmsConfig { model, ..config }.cms().unwrap(),
        kept: Arc::default(),
    };
    let (_, base) = url.split_once('+').unwrap();
    let payload = Payload {
        base: base.to_owned(),
        key,
        client: Client::builder().no_proxy().build().unwrap(),
    };
    let mut ids = Vec::new();
    for number in 0..brands {
        let name = BrandName::parse(format!("Brand {number}")).unwrap();
        let brand = Brand::new(name, Timestamp::now());
        assert_eq!(world.brands.create(&brand).await.unwrap(), Created::New);
        ids.push(brand.id);
    }
    world.sync().await;
    let before = world.reconcile(Policies::default()).await;
    assert_eq!(before.drift(), 0, "no other test uses the collection");

    for place in 0..each {
        payload.rename(ids[place], "Renamed, by an editor").await;
        payload.delete(ids[each + place]).await;
        payload.make(&format!("Made {place}"), None).await;
        let orphan = BrandId::new(Timestamp::now());
        payload.make("Orphan", Some(orphan)).await;
    }
    let report = world.reconcile(Policies::default()).await;
    let expected = u64::try_from(each).unwrap();
    for class in [
        Class::EditedThere,
        Class::DeletedThere,
        Class::MadeThere,
        Class::Orphan,
    ] {
        assert_eq!(report.counts.get(&class), Some(&expected), "{class}");
    }
    assert_eq!(report.drift(), 4 * expected);

    // One policy at a time, so that the guard of a tenth lets each pass.
    let none = Policies::default();
    for policies in [
        Policies {
            edits: Edits::Accept,
            conflicts: Conflicts::Theirs,
            ..none
        },
        Policies {
            made: Made::Create,
            ..none
        },
        Policies {
            orphans: Orphans::Delete,
            ..none
        },
    ] {
        world.reconcile(policies).await;
        world.sync().await;
    }
    let after = world.reconcile(Policies::default()).await;
    assert_eq!(after.drift(), 0, "{:?}", after.examples);
    assert_eq!(
        world.brands.row(ids[0]).unwrap().brand.name.as_str(),
        "Renamed, by an editor"
    );
    assert!(
        world
            .brands
            .row(ids[each])
            .unwrap()
            .brand
            .deleted_at
            .is_some()
    );
}
