//! Strapi 5, by its REST API: <https://docs.strapi.io/cms/api/rest>.

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use crate::http::{Answer, Client, Operation, Request, check_name, confirm};
use crate::{
    Cms, CmsBrand, CmsEntry, CmsError, CmsModel, CmsPage, EntryRef, EntryStatus, UnlinkedEntry,
    UnlinkedPage,
};

/// How many ids one URL asks for: with 100 of them it would be longer than the 8 KB that many a proxy takes.
const IDS_PER_URL: usize = 50;

/// A collection type of a Strapi server.
///
/// Strapi gives entries ids of its own (`documentId`) and takes none from a client, so an entry is found by the field that
/// bears the brand's id. Strapi knows no idempotency keys, no revisions and no conditional writes, and its REST API cannot
/// unpublish.
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

    async fn read(
        &self,
        document: Option<&str>,
        query: &[(&str, &str)],
    ) -> Result<Answer, CmsError> {
        self.send(Operation::Read, "GET", document, query, None)
            .await
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
        let id = document.get(self.id_field())?.as_str()?.to_owned();
        let UnlinkedEntry { entry, name } = self.unlinked(document)?;
        Some(CmsEntry {
            brand: CmsBrand { id, name },
            entry,
        })
    }

    /// An entry, without the brand's id.
    fn unlinked(&self, document: &Value) -> Option<UnlinkedEntry> {
        let name = match document.get(&self.model.name_field)? {
            // An editor has taken it away, which a draft allows.
            Value::Null => String::new(),
            name => name.as_str()?.to_owned(),
        };
        let entry = EntryRef {
            id: Some(document.get("documentId")?.as_str()?.to_owned()),
            ..EntryRef::default()
        };
        Some(UnlinkedEntry { entry, name })
    }

    /// The brand's entry in that state: every entry has a draft, and one that is published has another version beside it.
    async fn find(&self, id: &str, status: (&str, &str)) -> Result<Option<CmsEntry>, CmsError> {
        let filter = format!("filters[{}][$eq]", self.id_field());
        let query = [(&*filter, id), ("pagination[pageSize]", "1"), status];
        let answer = self.read(None, &query).await?;
        // Where its comparison ignores case, a database may find another's.
        let mut entries = self.entries(&answer)?.into_iter();
        Ok(entries.find(|entry| entry.brand.id == id))
    }

    fn entries(&self, answer: &Answer) -> Result<Vec<CmsEntry>, CmsError> {
        answer.list("/data", |document| self.entry(document))
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

    fn taken(&self, id: &str) -> CmsError {
        let message = format!("there is an entry with {} {id}", self.id_field());
        CmsError::conflict(409, message)
    }

    async fn find_document(&self, id: &str) -> Result<Option<String>, CmsError> {
        let found = self.find(id, ("status", "draft")).await?;
        Ok(found.and_then(|entry| entry.entry.id))
    }
}

fn has_next(answer: &Answer) -> bool {
    let pages = answer.at("/meta/pagination/pageCount");
    pages.and_then(Value::as_u64).is_some_and(|pages| pages > 1)
}

#[async_trait]
impl Cms for StrapiCms {
    async fn get_brand(&self, id: &str) -> Result<Option<CmsEntry>, CmsError> {
        self.find(id, self.status()).await
    }

    async fn get_brands(&self, ids: &[String]) -> Result<Vec<CmsEntry>, CmsError> {
        let mut entries = Vec::new();
        for ids in ids.chunks(IDS_PER_URL) {
            let limit = ids.len().to_string();
            let filters: Vec<_> = (0..ids.len())
                .map(|index| format!("filters[{}][$in][{index}]", self.id_field()))
                .collect();
            let mut query = vec![self.status(), ("pagination[pageSize]", &*limit)];
            let filters = filters.iter().zip(ids);
            query.extend(filters.map(|(filter, id)| (&**filter, &**id)));
            let mut found = self.entries(&self.read(None, &query).await?)?;
            found.retain(|entry| ids.contains(&entry.brand.id));
            entries.extend(found);
        }
        Ok(entries)
    }

    async fn create_brand(&self, brand: &CmsBrand, _: &str) -> Result<CmsEntry, CmsError> {
        // Strapi holds a unique field unique among published entries alone, so a second draft would be created.
        if let Some(document) = self.find_document(&brand.id).await? {
            let is_draft = self.model.status == EntryStatus::Draft;
            if is_draft || self.get_brand(&brand.id).await?.is_some() {
                return Err(self.taken(&brand.id));
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
        let document = match (&entry.name, &entry.id) {
            // Strapi has no conditional write, so the version that is written is read first.
            (Some(name), _) => match self.get_brand(&brand.id).await? {
                Some(found) => {
                    check_name(name, &found.brand.name)?;
                    found.entry.id
                }
                None => None,
            },
            (None, Some(document)) => Some(document.clone()),
            (None, None) => self.find_document(&brand.id).await?,
        };
        let document = document.ok_or_else(|| {
            let (field, id) = (self.id_field(), &brand.id);
            CmsError::conflict(404, format!("there is no entry with {field} {id}"))
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
        let answer = self.read(None, &query).await?;
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
        let (field, limit) = (self.id_field(), limit.to_string());
        // A text that an editor has emptied is null, or an empty text.
        let (null, empty) = (
            format!("filters[$or][0][{field}][$null]"),
            format!("filters[$or][1][{field}][$eq]"),
        );
        let mut query = vec![
            (&*null, "true"),
            (&*empty, ""),
            ("sort", "documentId"),
            ("pagination[pageSize]", &*limit),
            self.status(),
        ];
        query.extend(after.map(|after| ("filters[documentId][$gt]", after)));
        let answer = self.read(None, &query).await?;
        let entries = answer.list("/data", |document| self.unlinked(document))?;
        let last = entries.last().and_then(|last| last.entry.id.clone());
        Ok(UnlinkedPage {
            entries,
            next: last.filter(|_| has_next(&answer)),
        })
    }

    /// Reads first, since Strapi has no conditional write, and holds the field unique among published entries alone.
    async fn link_brand(
        &self,
        brand: &CmsBrand,
        entry: &EntryRef,
        _: &str,
    ) -> Result<CmsEntry, CmsError> {
        let document = entry.id.as_deref().unwrap_or_default();
        let bearer = self.find_document(&brand.id).await?;
        if bearer.is_some_and(|bearer| bearer != document) {
            return Err(self.taken(&brand.id));
        }
        let answer = self.read(Some(document), &[self.status()]).await?;
        if answer.is_absent() {
            let message = format!("there is no entry {document}");
            return Err(CmsError::conflict(404, message));
        }
        let found = answer.at("/data");
        let linked = found.and_then(|found| self.entry(found));
        match linked.filter(|linked| !linked.brand.id.is_empty()) {
            Some(linked) if linked.brand.id == brand.id => return Ok(linked),
            Some(_) => {
                let message = format!("entry {document} bears another brand's id");
                return Err(CmsError::conflict(409, message));
            }
            None => {}
        }
        let found = found.and_then(|found| self.unlinked(found));
        let found = found.ok_or_else(|| answer.unclear())?;
        if let Some(name) = &entry.name {
            check_name(name, &found.name)?;
        }
        self.change(brand, document).await
    }
}
