//! A CMS that speaks the protocol of `openapi.json`: the stub, or what is put before another CMS.

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::http::{Answer, Client, Operation, Request, check_name, confirm};
use crate::{Cms, CmsBrand, CmsEntry, CmsError, CmsPage, EntryRef, UnlinkedEntry, UnlinkedPage};

/// Bears the idempotency key: [draft-ietf-httpapi-idempotency-key-header](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A CMS that speaks this project's own protocol. Brands are at `{base_url}/brands`, under the ids that they have here;
/// entries that bear no brand's id are at `{base_url}/entries`.
#[derive(Debug, Clone)]
pub struct RestCms(Client);

impl RestCms {
    pub(crate) const fn new(client: Client) -> Self {
        Self(client)
    }

    async fn read(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Answer, CmsError> {
        let request = Request {
            operation: Operation::Read,
            method: "GET",
            path,
            query,
            headers: &[],
            body: None,
        };
        self.0.send(request).await
    }

    async fn page(&self, path: &str, after: Option<&str>, limit: u16) -> Result<Answer, CmsError> {
        let limit = limit.to_string();
        let mut query = vec![("limit", &*limit)];
        query.extend(after.map(|after| ("after", after)));
        self.read(&[path], &query).await
    }

    /// Puts the brand at the path, if what is there has that revision.
    async fn put(
        &self,
        path: &[&str],
        brand: &CmsBrand,
        revision: Option<&str>,
        key: &str,
    ) -> Result<CmsEntry, CmsError> {
        let revision = revision.map(|revision| format!("\"{revision}\""));
        let mut headers = vec![(IDEMPOTENCY_KEY, key)];
        headers.extend(revision.as_deref().map(|revision| ("if-match", revision)));
        let request = Request {
            operation: Operation::Update,
            method: "PUT",
            path,
            query: &[],
            headers: &headers,
            body: Some(json!(brand)),
        };
        let answer = self.0.send(request).await?;
        self.written(answer, brand).await
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
        let answer = self.read(&["brands", id], &[]).await?;
        if answer.is_absent() {
            return Ok(None);
        }
        match answer.at("/brand").and_then(entry) {
            Some(entry) if entry.brand.id == id => Ok(Some(entry)),
            _ => Err(answer.unclear()),
        }
    }

    async fn get_brands(&self, ids: &[String]) -> Result<Vec<CmsEntry>, CmsError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.read(&["brands"], &[("ids", &ids.join(","))]).await?;
        let mut entries = answer.list("/brands", entry)?;
        entries.retain(|entry| ids.contains(&entry.brand.id));
        Ok(entries)
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
        let mut revision = entry.revision.clone();
        // A revision tells of a new name as well; without one, the entry is read first.
        if revision.is_none()
            && let Some(name) = &entry.name
        {
            let found = self.get_brand(&brand.id).await?.ok_or_else(|| {
                CmsError::conflict(404, format!("there is no brand {}", brand.id))
            })?;
            check_name(name, &found.brand.name)?;
            revision = found.entry.revision;
        }
        let path = ["brands", &brand.id];
        self.put(&path, brand, revision.as_deref(), key).await
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
        let answer = self.page("brands", after, limit).await?;
        Ok(CmsPage {
            entries: answer.list("/brands", entry)?,
            next: next(&answer),
        })
    }

    async fn list_unlinked(
        &self,
        after: Option<&str>,
        limit: u16,
    ) -> Result<UnlinkedPage, CmsError> {
        let answer = self.page("entries", after, limit).await?;
        // A CMS in which every entry bears a brand's id.
        if answer.is_absent() {
            return Ok(UnlinkedPage::default());
        }
        Ok(UnlinkedPage {
            entries: answer.list("/entries", unlinked)?,
            next: next(&answer),
        })
    }

    async fn link_brand(
        &self,
        brand: &CmsBrand,
        entry: &EntryRef,
        key: &str,
    ) -> Result<CmsEntry, CmsError> {
        let own_id = entry.id.as_deref().unwrap_or_default();
        let path = ["entries", own_id];
        let mut revision = entry.revision.clone();
        if revision.is_none()
            && let Some(name) = &entry.name
        {
            let answer = self.read(&path, &[]).await?;
            // One that bears a brand's id is absent here as well: the CMS says whether it is ours.
            if !answer.is_absent() {
                let found = answer.at("/entry").and_then(unlinked);
                let found = found.ok_or_else(|| answer.unclear())?;
                check_name(name, &found.name)?;
                revision = found.entry.revision;
            }
        }
        self.put(&path, brand, revision.as_deref(), key).await
    }
}

/// `{"id", "name", "entry", "revision"}`, the last two of which not every CMS has.
fn entry(brand: &Value) -> Option<CmsEntry> {
    Some(CmsEntry {
        brand: CmsBrand {
            id: text(brand, "id")?,
            name: text(brand, "name")?,
        },
        entry: reference(brand),
    })
}

/// `{"entry", "name", "revision"}`, the last of which not every CMS has.
fn unlinked(entry: &Value) -> Option<UnlinkedEntry> {
    let reference = reference(entry);
    reference.id.as_ref()?;
    Some(UnlinkedEntry {
        entry: reference,
        name: text(entry, "name")?,
    })
}

fn reference(value: &Value) -> EntryRef {
    EntryRef {
        id: text(value, "entry"),
        revision: text(value, "revision"),
        name: None,
    }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn next(answer: &Answer) -> Option<String> {
    let next = answer.at("/next").and_then(Value::as_str);
    next.map(str::to_owned)
}
