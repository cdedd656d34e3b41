//! Health by gRPC (`grpc.health.v1.Health`): serving while the gateway is ready.

use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::{HealthReporter, health_reporter};

use crate::ExtAuthz;

/// Says whether the service can do its work. It begins with no.
#[derive(Clone, Debug)]
pub struct Readiness(HealthReporter);

impl Readiness {
    pub(crate) async fn new() -> (Self, HealthServer<impl Health>) {
        let (reporter, server) = health_reporter();
        let readiness = Self(reporter);
        readiness.set(false).await;
        (readiness, server)
    }

    /// From now on it can, or cannot.
    pub async fn set(&self, ready: bool) {
        let status = if ready {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        // The empty name is the server as a whole.
        for name in ["", ExtAuthz::NAME] {
            self.0.set_service_status(name, status).await;
        }
    }
}
