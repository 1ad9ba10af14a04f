//! A server of HTTPS whose certificate it has signed itself.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use tokio::net::TcpListener;

/// How long it waits for a client to say something.
const PATIENCE: Duration = Duration::from_secs(5);

/// The server; it lives as long as the test.
pub(super) struct SelfSigned {
    pub(super) address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl SelfSigned {
    pub(super) async fn start() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let config = Arc::new(config());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let stream = stream.into_std().expect("a socket");
                let (config, counted) = (Arc::clone(&config), Arc::clone(&counted));
                tokio::task::spawn_blocking(move || {
                    if hears_something(stream, config) {
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Self { address, requests }
    }

    /// How often a client went on after it had seen the certificate.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// A certificate for loopback, made now.
fn config() -> ServerConfig {
    let folder = tempfile::tempdir().expect("a folder");
    let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("certificate.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl is there");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let certificate = CertificateDer::from_pem_file(&certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(&key).expect("a key");
    ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("they belong together")
}

/// Shows the certificate; whether the client says anything then.
fn hears_something(mut stream: TcpStream, config: Arc<ServerConfig>) -> bool {
    let ready = stream.set_nonblocking(false).and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
    let Ok(mut connection) = ServerConnection::new(config) else { return false };
    let mut byte = [0];
    ready.is_ok() && Stream::new(&mut connection, &mut stream).read(&mut byte).is_ok_and(|read| read > 0)
}
