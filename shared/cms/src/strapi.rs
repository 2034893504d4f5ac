//! Strapi 5, by its REST API: <https://docs.strapi.io/cms/api/rest>.

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use crate::http::{Answer, Client, Operation, Request, confirm};
use crate::{Cms, CmsBrand, CmsEntry, CmsError, CmsModel, CmsPage, EntryRef, EntryStatus};

/// A collection type of a Strapi server.
///
/// Strapi gives entries ids of its own (`documentId`) and takes none from a client, so an entry is found by the field that
/// bears the brand's id. A change of an entry whose `documentId` is known takes one request. Strapi knows no idempotency keys
/// and no revisions, and its REST API cannot unpublish.
#[derive(Debug, Clone)]
pub struct StrapiCms {
    client: Client,
    model: CmsModel,
}

impl StrapiCms {
    pub(crate) const fn new(client: Client, model: CmsModel) -> Self {
        Self { client, model }
    }

    fn id_field(&self) -> &str {
        self.model.id_field.as_deref().unwrap_or("external_id")
    }

    /// Sends a request about the collection, or about one document of it.
    async fn send(
        &self,
        operation: Operation,
        method: &'static str,
        document: Option<&str>,
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Answer, CmsError> {
        let mut path = vec!["api", &self.model.collection];
        path.extend(document);
        let request = Request {
            operation,
            method,
            path: &path,
            query,
            headers: &[],
            body,
        };
        self.client.send(request).await
    }

    const fn status(&self) -> (&'static str, &'static str) {
        match self.model.status {
            EntryStatus::Published => ("status", "published"),
            EntryStatus::Draft => ("status", "draft"),
        }
    }

    /// The fields that are written, and no others.
    fn fields(&self, brand: &CmsBrand) -> Value {
        let mut fields = Map::new();
        fields.insert(self.id_field().to_owned(), json!(brand.id));
        fields.insert(self.model.name_field.clone(), json!(brand.name));
        json!({ "data": fields })
    }

    fn entry(&self, document: &Value) -> Option<CmsEntry> {
        let text = |name: &str| document.get(name)?.as_str().map(str::to_owned);
        let name = match document.get(&self.model.name_field)? {
            // An editor has taken it away, which a draft allows.
            Value::Null => String::new(),
            name => name.as_str()?.to_owned(),
        };
        Some(CmsEntry {
            brand: CmsBrand {
                id: text(self.id_field())?,
                name,
            },
            entry: EntryRef {
                name: None,
                id: Some(text("documentId")?),
                revision: None,
            },
        })
    }

    /// The brand's entry in that state: every entry has a draft, and one that is published has another version beside it.
    async fn find(&self, id: &str, status: (&str, &str)) -> Result<Option<CmsEntry>, CmsError> {
        let filter = format!("filters[{}][$eq]", self.id_field());
        let query = [(&*filter, id), ("pagination[pageSize]", "1"), status];
        let answer = self
            .send(Operation::Read, "GET", None, &query, None)
            .await?;
        // Where its comparison ignores case, a database may find another's.
        let mut entries = self.entries(&answer)?.into_iter();
        Ok(entries.find(|entry| entry.brand.id == id))
    }

    fn entries(&self, answer: &Answer) -> Result<Vec<CmsEntry>, CmsError> {
        let documents = answer.at("/data").and_then(Value::as_array);
        let documents = documents.ok_or_else(|| answer.unclear())?;
        let entries = documents.iter().map(|document| self.entry(document));
        entries
            .collect::<Option<_>>()
            .ok_or_else(|| answer.unclear())
    }

    /// The entry in the answer to a write, or else in the CMS.
    async fn written(&self, answer: Answer, brand: &CmsBrand) -> Result<CmsEntry, CmsError> {
        match answer.at("/data").and_then(|document| self.entry(document)) {
            Some(entry) if entry.brand.id == brand.id => Ok(entry),
            _ => confirm(self, brand, &answer).await,
        }
    }

    async fn change(&self, brand: &CmsBrand, document: &str) -> Result<CmsEntry, CmsError> {
        let (query, body) = ([self.status()], Some(self.fields(brand)));
        let answer = self
            .send(Operation::Update, "PUT", Some(document), &query, body)
            .await?;
        self.written(answer, brand).await
    }

    async fn find_document(&self, id: &str) -> Result<Option<String>, CmsError> {
        let found = self.find(id, ("status", "draft")).await?;
        Ok(found.and_then(|entry| entry.entry.id))
    }
}

#[async_trait]
impl Cms for StrapiCms {
    async fn get_brand(&self, id: &str) -> Result<Option<CmsEntry>, CmsError> {
        self.find(id, self.status()).await
    }

    async fn create_brand(&self, brand: &CmsBrand, _: &str) -> Result<CmsEntry, CmsError> {
        // Strapi holds a unique field unique among published entries alone, so a second draft would be created.
        if let Some(document) = self.find_document(&brand.id).await? {
            let is_draft = self.model.status == EntryStatus::Draft;
            if is_draft || self.get_brand(&brand.id).await?.is_some() {
                return Err(CmsError::Conflict {
                    status: 409,
                    message: format!("there is an entry with {} {}", self.id_field(), brand.id),
                });
            }
            // An editor has unpublished it.
            return self.change(brand, &document).await;
        }
        let (query, body) = ([self.status()], Some(self.fields(brand)));
        let answer = self
            .send(Operation::Create, "POST", None, &query, body)
            .await?;
        self.written(answer, brand).await
    }

    async fn update_brand(
        &self,
        brand: &CmsBrand,
        entry: &EntryRef,
        _: &str,
    ) -> Result<CmsEntry, CmsError> {
        let document = match &entry.id {
            Some(document) => Some(document.clone()),
            None => self.find_document(&brand.id).await?,
        };
        let document = document.ok_or_else(|| CmsError::Conflict {
            status: 404,
            message: format!("there is no entry with {} {}", self.id_field(), brand.id),
        })?;
        self.change(brand, &document).await
    }

    /// Finds the entry first: one that bears our id no more, since an editor has changed it, is not ours to delete.
    async fn delete_brand(&self, id: &str, _: &str) -> Result<(), CmsError> {
        let Some(document) = self.find_document(id).await? else {
            return Ok(());
        };
        self.send(Operation::Delete, "DELETE", Some(&document), &[], None)
            .await
            .map(drop)
    }

    async fn list_brands(&self, after: Option<&str>, limit: u16) -> Result<CmsPage, CmsError> {
        let (field, limit) = (self.id_field(), limit.to_string());
        let (behind, present) = (
            format!("filters[{field}][$gt]"),
            format!("filters[{field}][$notNull]"),
        );
        let selection = after.map_or((&*present, "true"), |after| (&*behind, after));
        let query = [
            selection,
            ("sort", field),
            ("pagination[pageSize]", &*limit),
            self.status(),
        ];
        let answer = self
            .send(Operation::Read, "GET", None, &query, None)
            .await?;
        let entries = self.entries(&answer)?;
        let pages = answer
            .at("/meta/pagination/pageCount")
            .and_then(Value::as_u64);
        let last = entries.last().map(|last| last.brand.id.clone());
        Ok(CmsPage {
            entries,
            next: last.filter(|_| pages.is_some_and(|pages| pages > 1)),
        })
    }
}
