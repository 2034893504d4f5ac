//! Payload, by its REST API: <https://payloadcms.com/docs/rest-api/overview>.

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use crate::http::{Answer, Client, Operation, Request, confirm};
use crate::{
    Cms, CmsBrand, CmsEntry, CmsError, CmsModel, CmsPage, EntryRef, EntryStatus, OnDelete,
};

/// A collection of a Payload server.
///
/// Every request names the entry by the field that bears the brand's id, so that no other entry is changed, whichever ids
/// Payload itself gives. Payload knows no idempotency keys and no revisions.
#[derive(Debug, Clone)]
pub struct PayloadCms {
    client: Client,
    model: CmsModel,
}

impl PayloadCms {
    pub(crate) const fn new(client: Client, model: CmsModel) -> Self {
        Self { client, model }
    }

    fn id_field(&self) -> &str {
        self.model.id_field.as_deref().unwrap_or("id")
    }

    /// Sends a request about the collection, to what `query` selects of it.
    async fn send(
        &self,
        operation: Operation,
        method: &'static str,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Answer, CmsError> {
        let is_draft = self.model.status == EntryStatus::Draft;
        let mut query = query.to_vec();
        query.push(("depth", "0"));
        if is_draft {
            query.push(("draft", "true"));
        }
        let request = Request {
            operation,
            method,
            path: &["api", &self.model.collection],
            query: &query,
            headers: &[],
            body,
        };
        match self.client.send(request).await {
            Err(error @ CmsError::Forbidden { .. }) => Err(self.forbidden(error).await),
            // No request here names an entry in its path, so it is the collection that is not there.
            Err(CmsError::Conflict {
                status: status @ (404 | 410),
                message,
            }) => Err(CmsError::Unclear { status, message }),
            result => result,
        }
    }

    /// Payload takes a request with a wrong key for one without, and forbids it like one that the key does not permit. So it is
    /// asked whose key it is.
    async fn forbidden(&self, error: CmsError) -> CmsError {
        let request = Request {
            operation: Operation::Read,
            method: "GET",
            path: &["api", &self.model.users_collection, "me"],
            query: &[("depth", "0")],
            headers: &[],
            body: None,
        };
        match (error, self.client.send(request).await) {
            (CmsError::Forbidden { message }, Ok(answer))
                if answer.at("/user") == Some(&Value::Null) =>
            {
                CmsError::Unauthorized { message }
            }
            (_, Err(error)) if !matches!(error, CmsError::Forbidden { .. }) => error,
            (error, _) => error,
        }
    }

    /// Selects the entries that are published, or those that a deletion has left; all where a deletion leaves none.
    fn where_status(&self, is_published: bool) -> Option<(&'static str, &'static str)> {
        let operator = if is_published {
            // An entry from before the collection had drafts has no status.
            "where[_status][not_equals]"
        } else {
            "where[_status][equals]"
        };
        (self.model.on_delete == OnDelete::Unpublish).then_some((operator, "draft"))
    }

    /// The brand's entries in an answer with `docs`. Of a comparison that ignores case, a database may find another's as well.
    fn found(&self, answer: &Answer, id: &str) -> Result<Option<CmsEntry>, CmsError> {
        let mut entries = self.entries(answer)?.into_iter();
        Ok(entries.find(|entry| entry.brand.id == id))
    }

    fn where_id(&self) -> String {
        format!("where[{}][equals]", self.id_field())
    }

    /// The fields that are written, and no others.
    fn fields(&self, brand: Option<&CmsBrand>, is_published: bool) -> Map<String, Value> {
        let status = if is_published { "published" } else { "draft" };
        let mut fields = Map::new();
        if let Some(brand) = brand {
            fields.insert(self.model.name_field.clone(), json!(brand.name));
        }
        // A collection without drafts ignores it.
        fields.insert("_status".to_owned(), json!(status));
        fields
    }

    fn entry(&self, doc: &Value) -> Option<CmsEntry> {
        let id = doc.get(self.id_field())?.as_str()?.to_owned();
        let name = match doc.get(&self.model.name_field)? {
            // An editor has taken it away.
            Value::Null => String::new(),
            name => name.as_str()?.to_owned(),
        };
        let own_id = match doc.get("id")? {
            Value::String(own_id) => own_id.clone(),
            own_id => own_id.to_string(),
        };
        Some(CmsEntry {
            entry: EntryRef {
                name: None,
                id: (own_id != id).then_some(own_id),
                revision: None,
            },
            brand: CmsBrand { id, name },
        })
    }

    /// The entries of an answer with `docs`.
    fn entries(&self, answer: &Answer) -> Result<Vec<CmsEntry>, CmsError> {
        let docs = answer.at("/docs").and_then(Value::as_array);
        let docs = docs.ok_or_else(|| answer.unclear())?;
        let entries = docs.iter().map(|doc| self.entry(doc));
        entries
            .collect::<Option<_>>()
            .ok_or_else(|| answer.unclear())
    }

    /// Changes the brand's entry, or brings back one that a deletion has left; none where there is none.
    async fn change(
        &self,
        brand: &CmsBrand,
        was_published: bool,
    ) -> Result<Option<CmsEntry>, CmsError> {
        let is_published = self.model.status == EntryStatus::Published;
        let fields = self.fields(Some(brand), is_published);
        let where_id = self.where_id();
        let mut query = vec![(&*where_id, &*brand.id)];
        query.extend(self.where_status(was_published));
        let body = Some(Value::Object(fields));
        let answer = self.send(Operation::Update, "PATCH", &query, body).await?;
        self.found(&answer, &brand.id)
    }
}

#[async_trait]
impl Cms for PayloadCms {
    async fn get_brand(&self, id: &str) -> Result<Option<CmsEntry>, CmsError> {
        let where_id = self.where_id();
        let mut query = vec![(&*where_id, id), ("limit", "1")];
        query.extend(self.where_status(true));
        let answer = self.send(Operation::Read, "GET", &query, None).await?;
        self.found(&answer, id)
    }

    async fn create_brand(&self, brand: &CmsBrand, _: &str) -> Result<CmsEntry, CmsError> {
        // The entry of a deleted brand, which comes back when its deletion is undone.
        if self.model.on_delete == OnDelete::Unpublish
            && let Some(entry) = self.change(brand, false).await?
        {
            return Ok(entry);
        }
        let is_published = self.model.status == EntryStatus::Published;
        let mut fields = self.fields(Some(brand), is_published);
        fields.insert(self.id_field().to_owned(), json!(brand.id));
        let body = Some(Value::Object(fields));
        let answer = match self.send(Operation::Create, "POST", &[], body).await {
            // A field that must be unique is one reason among others for a 400. What the CMS holds says whether it is ours.
            Err(CmsError::Refused {
                status: status @ 400,
                message,
            }) => return Err(CmsError::Conflict { status, message }),
            answer => answer?,
        };
        match answer.at("/doc").and_then(|doc| self.entry(doc)) {
            Some(entry) if entry.brand.id == brand.id => Ok(entry),
            _ => confirm(self, brand, &answer).await,
        }
    }

    async fn update_brand(
        &self,
        brand: &CmsBrand,
        _: &EntryRef,
        _: &str,
    ) -> Result<CmsEntry, CmsError> {
        let entry = self.change(brand, true).await?;
        entry.ok_or_else(|| CmsError::Conflict {
            status: 404,
            message: format!("there is no entry with {} {}", self.id_field(), brand.id),
        })
    }

    async fn delete_brand(&self, id: &str, _: &str) -> Result<(), CmsError> {
        let query = [(&*self.where_id(), id)];
        let answer = if self.model.on_delete == OnDelete::Unpublish {
            let body = Some(Value::Object(self.fields(None, false)));
            self.send(Operation::Delete, "PATCH", &query, body).await?
        } else {
            self.send(Operation::Delete, "DELETE", &query, None).await?
        };
        let is_understood = answer.at("/docs").is_some_and(Value::is_array);
        if is_understood {
            Ok(())
        } else {
            Err(answer.unclear())
        }
    }

    async fn list_brands(&self, after: Option<&str>, limit: u16) -> Result<CmsPage, CmsError> {
        let (sort, limit) = (self.id_field(), limit.to_string());
        let (behind, exists) = (
            format!("where[{sort}][greater_than]"),
            format!("where[{sort}][exists]"),
        );
        let selection = after.map_or((&*exists, "true"), |after| (&*behind, after));
        let mut query = vec![selection, ("sort", sort), ("limit", &*limit)];
        query.extend(self.where_status(true));
        let answer = self.send(Operation::Read, "GET", &query, None).await?;
        let entries = self.entries(&answer)?;
        let has_next = answer.at("/hasNextPage") == Some(&json!(true));
        let last = entries.last().map(|last| last.brand.id.clone());
        Ok(CmsPage {
            entries,
            next: last.filter(|_| has_next),
        })
    }
}
