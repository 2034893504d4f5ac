//! Payload, by its REST API: <https://payloadcms.com/docs/rest-api/overview>.

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use crate::http::{Answer, Client, Operation, Request, confirm};
use crate::port::NO_UNLINKED;
use crate::{
    Cms, CmsBrand, CmsEntry, CmsError, CmsModel, CmsPage, EntryRef, EntryStatus, OnDelete,
    UnlinkedEntry, UnlinkedPage,
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

    fn where_name(&self) -> String {
        format!("where[{}][equals]", self.model.name_field)
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
        let UnlinkedEntry { mut entry, name } = self.unlinked(doc)?;
        entry.id = entry.id.filter(|own_id| *own_id != id);
        Some(CmsEntry {
            entry,
            brand: CmsBrand { id, name },
        })
    }

    /// An entry, without the brand's id.
    fn unlinked(&self, doc: &Value) -> Option<UnlinkedEntry> {
        let name = match doc.get(&self.model.name_field)? {
            // An editor has taken it away.
            Value::Null => String::new(),
            name => name.as_str()?.to_owned(),
        };
        let own_id = match doc.get("id")? {
            Value::String(own_id) => own_id.clone(),
            own_id => own_id.to_string(),
        };
        let entry = EntryRef {
            id: Some(own_id),
            ..EntryRef::default()
        };
        Some(UnlinkedEntry { entry, name })
    }

    /// The entries of an answer with `docs`.
    fn entries(&self, answer: &Answer) -> Result<Vec<CmsEntry>, CmsError> {
        answer.list("/docs", |doc| self.entry(doc))
    }

    /// Selects the entries that bear no brand's id. A text field that an editor has emptied is null, or an empty text.
    fn where_unlinked(&self) -> [(String, &'static str); 2] {
        let field = self.id_field();
        [
            (format!("where[or][0][{field}][exists]"), "false"),
            (format!("where[or][1][{field}][equals]"), ""),
        ]
    }

    /// Changes the brand's entry if it has the name, or brings back one that a deletion has left; none where there is none.
    async fn change(
        &self,
        brand: &CmsBrand,
        name: Option<&str>,
        was_published: bool,
    ) -> Result<Option<CmsEntry>, CmsError> {
        let is_published = self.model.status == EntryStatus::Published;
        let fields = self.fields(Some(brand), is_published);
        let (where_id, where_name) = (self.where_id(), self.where_name());
        let mut query = vec![(&*where_id, &*brand.id)];
        query.extend(with_name(&where_name, name));
        query.extend(self.where_status(was_published));
        let body = Some(Value::Object(fields));
        let answer = self.send(Operation::Update, "PATCH", &query, body).await?;
        self.found(&answer, &brand.id)
    }
}

/// Selects the entries with the known name. None where it is empty: a name that is missing is null, or an empty text.
fn with_name<'a>(where_name: &'a str, name: Option<&'a str>) -> Option<(&'a str, &'a str)> {
    let name = name.filter(|name| !name.is_empty())?;
    Some((where_name, name))
}

fn has_next(answer: &Answer) -> bool {
    answer.at("/hasNextPage") == Some(&json!(true))
}

/// A field that must be unique is one reason among others for a 400. What the CMS holds says whether it is ours.
fn taken(error: CmsError) -> CmsError {
    match error {
        CmsError::Refused {
            status: status @ 400,
            message,
        } => CmsError::Conflict { status, message },
        error => error,
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

    async fn get_brands(&self, ids: &[String]) -> Result<Vec<CmsEntry>, CmsError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let where_ids = format!("where[{}][in]", self.id_field());
        let (joined, limit) = (ids.join(","), ids.len().to_string());
        let mut query = vec![(&*where_ids, &*joined), ("limit", &*limit)];
        query.extend(self.where_status(true));
        let answer = self.send(Operation::Read, "GET", &query, None).await?;
        let mut entries = self.entries(&answer)?;
        entries.retain(|entry| ids.contains(&entry.brand.id));
        Ok(entries)
    }

    async fn create_brand(&self, brand: &CmsBrand, _: &str) -> Result<CmsEntry, CmsError> {
        // The entry of a deleted brand, which comes back when its deletion is undone.
        if self.model.on_delete == OnDelete::Unpublish
            && let Some(entry) = self.change(brand, None, false).await?
        {
            return Ok(entry);
        }
        let is_published = self.model.status == EntryStatus::Published;
        let mut fields = self.fields(Some(brand), is_published);
        fields.insert(self.id_field().to_owned(), json!(brand.id));
        let body = Some(Value::Object(fields));
        let answer = self.send(Operation::Create, "POST", &[], body).await;
        let answer = answer.map_err(taken)?;
        match answer.at("/doc").and_then(|doc| self.entry(doc)) {
            Some(entry) if entry.brand.id == brand.id => Ok(entry),
            _ => confirm(self, brand, &answer).await,
        }
    }

    async fn update_brand(
        &self,
        brand: &CmsBrand,
        entry: &EntryRef,
        _: &str,
    ) -> Result<CmsEntry, CmsError> {
        let changed = self.change(brand, entry.name.as_deref(), true).await?;
        changed.ok_or_else(|| {
            let (field, id) = (self.id_field(), &brand.id);
            CmsError::conflict(
                404,
                format!("no entry with {field} {id} has the known name"),
            )
        })
    }

    async fn delete_brand(&self, id: &str, _: &str) -> Result<(), CmsError> {
        let (mut operator, mut selected) = (self.where_id(), id.to_owned());
        // A deletion selects by the live version, and a draft may be the first to bear the id: of an entry that was linked.
        if self.model.status == EntryStatus::Draft && self.id_field() != "id" {
            let Some(own_id) = self.get_brand(id).await?.and_then(|found| found.entry.id) else {
                return Ok(());
            };
            (operator, selected) = ("where[id][equals]".to_owned(), own_id);
        }
        let query = [(&*operator, &*selected)];
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
        let mut entries = self.entries(&answer)?;
        let last = entries.last().map(|last| last.brand.id.clone());
        // An editor has emptied the field.
        entries.retain(|entry| !entry.brand.id.is_empty());
        Ok(CmsPage {
            entries,
            next: last.filter(|_| has_next(&answer)),
        })
    }

    async fn list_unlinked(
        &self,
        after: Option<&str>,
        limit: u16,
    ) -> Result<UnlinkedPage, CmsError> {
        if self.id_field() == "id" {
            return Ok(UnlinkedPage::default());
        }
        let (unlinked, limit) = (self.where_unlinked(), limit.to_string());
        let mut query = vec![("sort", "id"), ("limit", &*limit)];
        query.extend(
            unlinked
                .iter()
                .map(|(operator, value)| (&**operator, *value)),
        );
        query.extend(after.map(|after| ("where[id][greater_than]", after)));
        let answer = self.send(Operation::Read, "GET", &query, None).await?;
        let docs = answer.list("/docs", |doc| {
            let is_draft = doc.get("_status") == Some(&json!("draft"));
            Some((is_draft, self.unlinked(doc)?))
        })?;
        let last = docs.last().and_then(|(_, last)| last.entry.id.clone());
        let takes_drafts = self.model.status == EntryStatus::Draft;
        Ok(UnlinkedPage {
            // A draft is an editor's unfinished work. A collection without drafts cannot be asked about them.
            entries: docs
                .into_iter()
                .filter_map(|(is_draft, entry)| (takes_drafts || !is_draft).then_some(entry))
                .collect(),
            next: last.filter(|_| has_next(&answer)),
        })
    }

    async fn link_brand(
        &self,
        brand: &CmsBrand,
        entry: &EntryRef,
        _: &str,
    ) -> Result<CmsEntry, CmsError> {
        if self.id_field() == "id" {
            return Err(CmsError::Unsendable(NO_UNLINKED));
        }
        let own_id = entry.id.as_deref().unwrap_or_default();
        // Payload holds a field unique among published entries alone, so a draft would bear an id that another bears.
        match self.get_brand(&brand.id).await? {
            Some(linked) if linked.entry.id == entry.id => return Ok(linked),
            Some(_) => {
                let message = format!("there is an entry with {} {}", self.id_field(), brand.id);
                return Err(CmsError::conflict(409, message));
            }
            None => {}
        }
        let (unlinked, where_name) = (self.where_unlinked(), self.where_name());
        let mut query = vec![("where[id][equals]", own_id)];
        query.extend(
            unlinked
                .iter()
                .map(|(operator, value)| (&**operator, *value)),
        );
        query.extend(with_name(&where_name, entry.name.as_deref()));
        let mut fields = self.fields(Some(brand), self.model.status == EntryStatus::Published);
        fields.insert(self.id_field().to_owned(), json!(brand.id));
        let body = Some(Value::Object(fields));
        let answer = self.send(Operation::Update, "PATCH", &query, body).await;
        let answer = answer.map_err(taken)?;
        let linked = self.found(&answer, &brand.id)?;
        linked.ok_or_else(|| {
            let message = format!("no entry {own_id} without a brand's id has the known name");
            CmsError::conflict(404, message)
        })
    }
}
