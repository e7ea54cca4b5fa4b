//! The listener, and the sockets of its connections.

use super::Service;
use super::connection::Session;
use super::shared::{Limits, Shared};
use super::socket::{LINGER, converse};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// After how long an idle client's machine is asked whether it is there, as Redis does.
const KEEP_ALIVE: Duration = Duration::from_secs(300);

/// A front door that is bound to its address.
#[derive(Debug)]
pub struct Server<S> {
    listener: TcpListener,
    service: S,
    shared: Arc<Shared>,
}

impl<S: Service> Server<S> {
    /// Listens at an address. Any program that can connect may read and write everything: the
    /// loopback address is the usual choice.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(addr: impl ToSocketAddrs, service: S, limits: Limits) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        Ok(Server { listener, service, shared: Arc::new(Shared::new(limits)) })
    }

    /// Where it listens; tells the port if 0 was asked for.
    ///
    /// # Errors
    /// When the operating system does not know.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves connections until `shutdown` ends; then accepts and reads no more, lets operations in
    /// flight answer for [`Limits::drain_time`], and closes.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Server { listener, service, shared } = self;
        let (stop, stopped) = watch::channel(());
        let mut connections = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(ended) = connections.join_next(), if !connections.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a connection's task failed");
                    }
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let serve = admit(
                            stream, peer, service.clone(), shared.clone(), stopped.clone(),
                        );
                        connections.spawn(serve);
                    }
                    Err(error) => {
                        // Out of descriptors, say: connected clients go on meanwhile.
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                }
            }
        }
        drop(listener);
        drop(stop);
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(shared.limits.drain_time, all).await.is_err() {
            tracing::warn!(left = shared.connected(), "connections cut at shutdown");
        }
    }
}

/// Serves a connection if there is a place for it.
async fn admit<S: Service>(
    mut stream: TcpStream,
    peer: SocketAddr,
    service: S,
    shared: Arc<Shared>,
    stopped: watch::Receiver<()>,
) {
    let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let Ok(_place) = shared.places.clone().try_acquire_owned() else {
        shared.rejected.fetch_add(1, Ordering::Relaxed);
        let error = b"-ERR max number of clients reached\r\n";
        // Whether it hears that is its own matter.
        let _ = tokio::time::timeout(LINGER, stream.write_all(error)).await;
        return;
    };
    let served = async {
        stream.set_nodelay(true)?;
        // A client whose machine has gone is found out, and its descriptor given back.
        rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
        rustix::net::sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE)?;
        let local = stream.local_addr()?;
        let seat = shared.clients.seat(number, stream.as_raw_fd(), (peer, local));
        let account = shared.budget.open(number);
        let session = Session::new(service, Arc::clone(&shared), seat);
        converse(session, account, &shared.limits, &mut stream, stopped).await
    };
    if let Err(error) = served.await {
        tracing::debug!(%peer, %error, "a connection broke");
    }
}
