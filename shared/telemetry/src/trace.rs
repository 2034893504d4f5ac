//! Which trace a piece of work belongs to, in the two forms in which it goes along: W3C Trace Context, and X-Ray's header.
//!
//! - <https://www.w3.org/TR/trace-context/#traceparent-header>
//! - <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>

use std::{fmt, num::NonZero};

use tracing::Span;

/// A place in a trace, as W3C Trace Context has it. Shown as the value of a `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: NonZero<u128>,
    parent_id: NonZero<u64>,
    sampled: bool,
}

impl TraceContext {
    /// The beginning of a new trace.
    #[must_use]
    pub fn new() -> Self {
        Self {
            trace_id: NonZero::new(fastrand::u128(..)).unwrap_or(NonZero::<u128>::MIN),
            parent_id: new_parent_id(),
            sampled: true,
        }
    }

    /// The one of those ids; none where one of them is zero, which stands for none.
    #[must_use]
    pub fn of_ids(trace_id: u128, parent_id: u64, sampled: bool) -> Option<Self> {
        Some(Self {
            trace_id: NonZero::new(trace_id)?,
            parent_id: NonZero::new(parent_id)?,
            sampled,
        })
    }

    /// Parses a `traceparent`. Of versions to come it reads what is in this one, as the specification asks.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut fields = traceparent.split('-');
        let mut field = |digits| hexadecimal(fields.next()?, digits);
        let (version, trace_id) = (field(2)?, field(32)?);
        let (parent_id, flags) = (field(16)?, field(2)?);
        let has_more = fields.next().is_some();
        if version == 0xff || (version == 0 && has_more) {
            return None;
        }
        Self::of_ids(trace_id, u64::try_from(parent_id).ok()?, flags & 1 == 1)
    }

    /// Parses X-Ray's header, `Root=1-…-…;Parent=…;Sampled=1`. Where no segment is the parent yet, one is made up.
    #[must_use]
    pub fn parse_xray(header: &str) -> Option<Self> {
        let field = |name: &str| {
            let fields = header.split(';').filter_map(|field| field.split_once('='));
            fields
                .map(|(key, value)| (key.trim(), value.trim()))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let (time, unique) = field("Root")?.strip_prefix("1-")?.split_once('-')?;
        let trace_id = hexadecimal(time, 8)? << 96 | hexadecimal(unique, 24)?;
        let parent_id = match field("Parent") {
            Some(parent) => NonZero::new(u64::try_from(hexadecimal(parent, 16)?).ok()?)?,
            None => new_parent_id(),
        };
        Some(Self {
            trace_id: NonZero::new(trace_id)?,
            parent_id,
            sampled: field("Sampled") == Some("1"),
        })
    }

    /// The same as X-Ray's header.
    #[must_use]
    pub fn to_xray(&self) -> String {
        let id = self.trace_id_text();
        let (time, unique) = id.split_at(8);
        let sampled = u8::from(self.sampled);
        format!(
            "Root=1-{time}-{unique};Parent={:016x};Sampled={sampled}",
            self.parent_id
        )
    }

    /// The trace's id.
    #[must_use]
    pub const fn trace_id(&self) -> u128 {
        self.trace_id.get()
    }

    /// The id of the span that caused this.
    #[must_use]
    pub const fn parent_id(&self) -> u64 {
        self.parent_id.get()
    }

    /// Whether whoever began the trace records it.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    fn trace_id_text(&self) -> String {
        format!("{:032x}", self.trace_id)
    }
}

impl Default for TraceContext {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace_id, parent_id) = (self.trace_id, self.parent_id);
        let sampled = u8::from(self.sampled);
        write!(
            formatter,
            "00-{trace_id:032x}-{parent_id:016x}-{sampled:02x}"
        )
    }
}

fn new_parent_id() -> NonZero<u64> {
    NonZero::new(fastrand::u64(..)).unwrap_or(NonZero::<u64>::MIN)
}

/// A number of exactly so many digits, in lower case as both forms have it.
fn hexadecimal(text: &str, digits: usize) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_one = text.len() == digits && text.bytes().all(is_digit);
    is_one.then(|| u128::from_str_radix(text, 16).ok())?
}

/// The trace of a request or a message: what its log lines bear, and what goes along in the messages that it causes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    context: TraceContext,
    /// Lambda's own, where X-Ray is on: it may be another trace than the client's.
    xray: Option<String>,
}

impl Trace {
    /// The trace that a request belongs to: the one that the client says (`traceparent`), else the one in which Lambda
    /// runs (X-Ray's header), else a new one.
    #[must_use]
    pub fn of_request(traceparent: Option<&str>, xray: Option<&str>) -> Self {
        Self::of_message(traceparent, xray).unwrap_or_else(|| Self {
            context: TraceContext::new(),
            xray: None,
        })
    }

    /// The trace that a message was sent in, if it bears one, in either form.
    #[must_use]
    pub fn of_message(traceparent: Option<&str>, xray: Option<&str>) -> Option<Self> {
        let lambdas = xray.and_then(TraceContext::parse_xray);
        let context = traceparent.and_then(TraceContext::parse).or(lambdas)?;
        Some(Self {
            context,
            xray: lambdas.and(xray).map(ToOwned::to_owned),
        })
    }

    /// The trace's id, as the log lines bear it: 32 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        self.context.trace_id_text()
    }

    /// The place in it.
    #[must_use]
    pub const fn context(&self) -> TraceContext {
        self.context
    }

    /// What goes along as `traceparent`. Where spans are exported, the current one is the parent.
    #[must_use]
    pub fn traceparent(&self) -> String {
        exported(&Span::current())
            .unwrap_or(self.context)
            .to_string()
    }

    /// What goes along as SQS's `AWSTraceHeader`: Lambda's own, or the same as `traceparent` in that form.
    #[must_use]
    pub fn xray_header(&self) -> String {
        let xray = self.xray.clone();
        xray.unwrap_or_else(|| self.context.to_xray())
    }

    /// Makes this the parent of `span`, which continues it, where spans are exported.
    pub fn continue_in(&self, span: &Span) {
        #[cfg(feature = "otlp")]
        crate::otlp::set_parent(span, self.context);
        #[cfg(not(feature = "otlp"))]
        let _ = span;
    }

    /// Links `span`, which has a trace of its own, to this, where spans are exported: one of several messages that are
    /// worked on together, say.
    pub fn link_to(&self, span: &Span) {
        #[cfg(feature = "otlp")]
        crate::otlp::add_link(span, self.context);
        #[cfg(not(feature = "otlp"))]
        let _ = span;
    }
}

#[cfg(feature = "otlp")]
fn exported(span: &Span) -> Option<TraceContext> {
    crate::otlp::context_of(span)
}

#[cfg(not(feature = "otlp"))]
const fn exported(_: &Span) -> Option<TraceContext> {
    None
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::{Trace, TraceContext};

    const W3C: &str = "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01";
    const XRAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    #[test]
    fn both_forms_say_the_same() {
        let context = TraceContext::parse(W3C).unwrap();
        assert_eq!(TraceContext::parse_xray(XRAY), Some(context));
        assert_eq!(context.to_string(), W3C);
        assert_eq!(context.to_xray(), XRAY);
        let unsampled = TraceContext::parse_xray(&XRAY.replace("Sampled=1", "Sampled=0")).unwrap();
        assert_eq!(unsampled.to_string(), W3C.replace("-01", "-00"));
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        let zero_trace = format!("00-{:032}-53995c3f42cd8ad8-01", 0);
        let zero_parent = format!("00-5759e988bd862e3fe1be46a994272793-{:016}-01", 0);
        let upper = W3C.to_uppercase();
        let version_ff = W3C.replacen("00", "ff", 1);
        let longer = format!("{W3C}-00");
        let signed = W3C.replacen("-5", "-+", 1);
        for text in [
            "",
            "00",
            &W3C[..54],
            &zero_trace,
            &zero_parent,
            &upper,
            &version_ff,
            &longer,
            &signed,
            "00-5759e988bd862e3fe1be46a99427279é-53995c3f42cd8ad8-01",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_traceparent_of_a_version_to_come_is_read_as_far_as_it_is_known() {
        let later = format!("{}-more", W3C.replacen("00", "cc", 1));
        assert_eq!(TraceContext::parse(&later), TraceContext::parse(W3C));
    }

    #[test]
    fn a_trace_goes_on_as_its_client_and_as_lambda_have_it() {
        let clients = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = Trace::of_request(Some(clients), Some(XRAY));
        assert_eq!(trace.id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(trace.traceparent(), clients);
        assert_eq!(trace.xray_header(), XRAY);

        let trace = Trace::of_request(Some("nonsense"), Some(XRAY));
        assert_eq!(trace.traceparent(), W3C);

        let trace = Trace::of_request(Some(W3C), None);
        assert_eq!(trace.xray_header(), XRAY);
    }

    #[test]
    fn without_either_a_request_begins_a_trace_and_a_message_has_none() {
        let (one, other) = (Trace::of_request(None, None), Trace::of_request(None, None));
        assert_ne!(one.id(), other.id());
        assert_eq!(one.id().len(), 32);
        assert_eq!(Trace::of_message(Some("nonsense"), None), None);
        // Lambda names no parent where nothing is recorded.
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0";
        let trace = Trace::of_message(None, Some(root)).unwrap();
        assert_eq!(trace.id(), "5759e988bd862e3fe1be46a994272793");
    }
}
