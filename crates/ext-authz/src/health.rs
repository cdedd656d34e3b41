//! Health over gRPC (`grpc.health.v1.Health`): `SERVING` while the gateway is ready.

use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::server::{HealthReporter, health_reporter};

use crate::ExtAuthz;

/// Reports whether the service is ready. It starts as not ready.
#[derive(Clone, Debug)]
pub struct Readiness(HealthReporter);

impl Readiness {
    pub(crate) async fn new() -> (Self, HealthServer<impl Health>) {
        let (reporter, server) = health_reporter();
        let readiness = Self(reporter);
        // tonic's reporter starts with the empty name as SERVING.
        readiness.set_ready(false).await;
        (readiness, server)
    }

    /// Sets the status of the server and of the service.
    pub async fn set_ready(&self, ready: bool) {
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
