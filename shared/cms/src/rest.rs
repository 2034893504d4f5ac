//! A CMS that speaks the protocol of `openapi.json`: the stub, or what is put before another CMS.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::http::{Answer, Client, Operation, Request, confirm};
use crate::{Cms, CmsBrand, CmsEntry, CmsError, CmsPage, EntryRef};

/// Bears the idempotency key: [draft-ietf-httpapi-idempotency-key-header](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A CMS that speaks this project's own protocol. Brands are at `{base_url}/brands`, under the ids that they have here.
#[derive(Debug, Clone)]
pub struct RestCms(Client);

impl RestCms {
    pub(crate) const fn new(client: Client) -> Self {
        Self(client)
    }

    /// The entry in the answer to a write, or else in the CMS.
    async fn written(&self, answer: Answer, brand: &CmsBrand) -> Result<CmsEntry, CmsError> {
        match answer.at("/brand").and_then(entry) {
            Some(entry) if entry.brand.id == brand.id => Ok(entry),
            _ => confirm(self, brand, &answer).await,
        }
    }
}

#[async_trait]
impl Cms for RestCms {
    async fn get_brand(&self, id: &str) -> Result<Option<CmsEntry>, CmsError> {
        let request = Request {
            operation: Operation::Read,
            method: "GET",
            path: &["brands", id],
            query: &[],
            headers: &[],
            body: None,
        };
        let answer = self.0.send(request).await?;
        if answer.is_absent() {
            return Ok(None);
        }
        match answer.at("/brand").and_then(entry) {
            Some(entry) if entry.brand.id == id => Ok(Some(entry)),
            _ => Err(answer.unclear()),
        }
    }

    async fn create_brand(&self, brand: &CmsBrand, key: &str) -> Result<CmsEntry, CmsError> {
        let request = Request {
            operation: Operation::Create,
            method: "POST",
            path: &["brands"],
            query: &[],
            headers: &[(IDEMPOTENCY_KEY, key)],
            body: Some(json!(brand)),
        };
        let answer = self.0.send(request).await?;
        self.written(answer, brand).await
    }

    async fn update_brand(
        &self,
        brand: &CmsBrand,
        entry: &EntryRef,
        key: &str,
    ) -> Result<CmsEntry, CmsError> {
        let revision = entry
            .revision
            .as_ref()
            .map(|revision| format!("\"{revision}\""));
        let mut headers = vec![(IDEMPOTENCY_KEY, key)];
        headers.extend(revision.as_deref().map(|revision| ("if-match", revision)));
        let request = Request {
            operation: Operation::Update,
            method: "PUT",
            path: &["brands", &brand.id],
            query: &[],
            headers: &headers,
            body: Some(json!(brand)),
        };
        let answer = self.0.send(request).await?;
        self.written(answer, brand).await
    }

    async fn delete_brand(&self, id: &str, key: &str) -> Result<(), CmsError> {
        let request = Request {
            operation: Operation::Delete,
            method: "DELETE",
            path: &["brands", id],
            query: &[],
            headers: &[(IDEMPOTENCY_KEY, key)],
            body: None,
        };
        self.0.send(request).await.map(drop)
    }

    async fn list_brands(&self, after: Option<&str>, limit: u16) -> Result<CmsPage, CmsError> {
        let limit = limit.to_string();
        let mut query = vec![("limit", &*limit)];
        query.extend(after.map(|after| ("after", after)));
        let request = Request {
            operation: Operation::Read,
            method: "GET",
            path: &["brands"],
            query: &query,
            headers: &[],
            body: None,
        };
        let answer = self.0.send(request).await?;
        let brands = answer.at("/brands").and_then(Value::as_array);
        let brands = brands.ok_or_else(|| answer.unclear())?;
        let entries = brands.iter().map(entry).collect::<Option<Vec<_>>>();
        Ok(CmsPage {
            entries: entries.ok_or_else(|| answer.unclear())?,
            next: answer
                .at("/next")
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    }
}

/// `{"id", "name", "revision"}`, the last of which not every CMS has.
fn entry(brand: &Value) -> Option<CmsEntry> {
    let text = |name| brand.get(name)?.as_str().map(str::to_owned);
    Some(CmsEntry {
        brand: CmsBrand {
            id: text("id")?,
            name: text("name")?,
        },
        entry: EntryRef {
            name: None,
            id: None,
            revision: text("revision"),
        },
    })
}
