//! The stage: all that a function meets, on a thread of its own.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64, atomic::Ordering},
    thread,
    time::{Duration, SystemTime},
};

use auth::{Actor, Identity, Tokens};
use config::Secret;
use tokio::runtime::{Builder, Handle};
use tokio_rustls::TlsAcceptor;

use crate::{
    Counts, Error, Service,
    certificate::Certificate,
    server::{Shared, serve},
    service::BRANDS_TABLE,
};

/// Signs the token, and is what Secrets Manager holds.
const SECRET: &str = "a-secret-of-the-stage-long-enough-to-sign-with";

/// What plays AWS and the CMS.
pub struct Stage {
    pub(crate) handle: Handle,
    shared: Arc<Shared>,
    token: String,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl Stage {
    /// Starts it. `name` tells its files from those of another.
    pub fn start(name: &str) -> Result<Self, Error> {
        let certificate = Certificate::new()?;
        let folder = std::env::temp_dir().join(format!("bench-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let (amazon, system) = (folder.join("amazon.pem"), folder.join("system.pem"));
        certificate.write_amazon(&amazon)?;
        certificate.write_system(&system)?;
        let shared = Arc::new(Shared {
            counts: Mutex::default(),
            secret: SECRET.to_owned(),
            cms_takes: AtomicU64::new(0),
        });
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let tls = TlsAcceptor::from(certificate.server);
        let mut environment = constant();
        environment.push(("AWS_CA_BUNDLE", amazon.display().to_string()));
        environment.push(("SSL_CERT_FILE", system.display().to_string()));
        for service in Service::ALL {
            let address = runtime.block_on(serve(service, tls.clone(), Arc::clone(&shared)))?;
            environment.push((service.variable(), url(address)));
        }
        // It ends with the process.
        thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        Ok(Self {
            handle,
            shared,
            token: token()?,
            folder,
            environment,
        })
    }

    /// The environment that a function is started in, but for where Lambda is.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
    }

    /// Where files go that end with it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A token that is good for the API.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// What has been counted up to now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let counts = self.shared.counts.lock();
        counts.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on, functions that are started find nothing where that service is.
    pub fn take_away(&mut self, service: Service) -> Result<(), Error> {
        // Nobody listens on a port that was just given back.
        let nowhere = TcpListener::bind(("localhost", 0))?.local_addr()?;
        let names = self.environment.iter_mut();
        for (_, value) in names.filter(|(name, _)| *name == service.variable()) {
            *value = url(nowhere);
        }
        Ok(())
    }

    /// Has the CMS take so long for each request.
    pub fn cms_takes(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.shared.cms_takes.store(millis, Ordering::Relaxed);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn url(address: SocketAddr) -> String {
    format!("https://localhost:{}", address.port())
}

fn token() -> Result<String, Error> {
    let tokens = Tokens::signed_with(&Secret::new(SECRET))?;
    let identity = Identity {
        actor: Actor::of("user_01").ok_or("an actor has an id")?,
        auth_identity_id: "authid_01".to_owned(),
        password_version: 1,
    };
    Ok(tokens.issue(&identity, SystemTime::now())?)
}

/// As Lambda and the template set it.
fn constant() -> Vec<(&'static str, String)> {
    [
        ("AWS_LAMBDA_FUNCTION_NAME", "function"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7EXAMPLE"),
        (
            "AWS_SECRET_ACCESS_KEY",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        ),
        ("AWS_SESSION_TOKEN", "session-token"),
        ("HOME", "/nonexistent"),
        ("RUST_LOG", "info"),
        ("BRANDS_TABLE", BRANDS_TABLE),
        ("ADMIN_USERS_TABLE", "admin-users"),
        ("SIGN_IN_ATTEMPTS_TABLE", "sign-in-attempts"),
        ("REPUBLISH_AFTER_SECONDS", "60"),
        ("REPUBLISH_LIMIT", "1000"),
        ("CIRCUITS_TABLE", "circuits"),
        (
            "BRAND_EVENTS_QUEUE_URL",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/brand-events",
        ),
        (
            "BRAND_EVENTS_DLQ_URL",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/brand-events-dlq",
        ),
        ("NOTIFY_AFTER_SECONDS", "60"),
        ("SYNC_RETRY_FIRST_SECONDS", "60"),
        ("SYNC_RETRY_MAX_SECONDS", "3600"),
        ("SYNC_GIVE_UP_AFTER_HOURS", "72"),
        ("CIRCUIT_FAILURES", "5"),
        ("CIRCUIT_PROBE_FIRST_SECONDS", "60"),
        ("CIRCUIT_PROBE_MAX_SECONDS", "900"),
        ("CMS_REQUESTS_PER_SECOND", "0"),
        ("SYNC_BRAND_MAXIMUM_CONCURRENCY", "20"),
        (
            "AUTH_SECRET_ID",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:auth",
        ),
        ("CMS_COLLECTION", "brands"),
        ("CMS_NAME_FIELD", "name"),
        ("CMS_ENTRY_STATUS", "published"),
        ("CMS_ON_DELETE", "delete"),
        ("CMS_USERS_COLLECTION", "users"),
        ("CMS_CONFLICTS", "report"),
        (
            "CMS_API_KEY_SECRET_ID",
            "arn:aws:secretsmanager:eu-central-1:123456789012:secret:cms",
        ),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}
