//! A client of the container runtime interface (`runtime.v1`), the protocol between kubelet and containerd: as much of
//! it as pods need. It must not know containerd.

use std::path::Path;
use std::time::Duration;

use prost::Message;
use tokio::runtime::{Builder, Runtime};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

pub use messages::{PodConfig, Protocol};

/// How long one call may take: what kubelet grants RunPodSandbox.
const PATIENCE: Duration = Duration::from_secs(240);

/// The messages of kubelet's `runtime.v1` that the client speaks, with the fields that it uses; numbers and meanings are
/// those of `api.proto` of k8s.io/cri-api. Unknown fields are ignored by either side.
pub mod messages {
    use std::collections::HashMap;

    /// `PodSandboxMetadata`: what makes a pod unique.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct Metadata {
        /// Name of the pod.
        #[prost(string, tag = "1")]
        pub name: String,
        /// Its UID.
        #[prost(string, tag = "2")]
        pub uid: String,
        /// Its Kubernetes namespace.
        #[prost(string, tag = "3")]
        pub namespace: String,
    }

    /// `Protocol` of a port mapping.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
    #[repr(i32)]
    pub enum Protocol {
        /// TCP.
        Tcp = 0,
        /// UDP.
        Udp = 1,
        /// SCTP.
        Sctp = 2,
    }

    /// `PortMapping`.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct PortMapping {
        /// TCP, UDP or SCTP.
        #[prost(enumeration = "Protocol", tag = "1")]
        pub protocol: i32,
        /// The port inside.
        #[prost(int32, tag = "2")]
        pub container_port: i32,
        /// The port of the host.
        #[prost(int32, tag = "3")]
        pub host_port: i32,
        /// The address of the host, empty for all.
        #[prost(string, tag = "4")]
        pub host_ip: String,
    }

    /// `LinuxPodSandboxConfig`.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct Linux {
        /// The control group of the pod's containers.
        #[prost(string, tag = "1")]
        pub cgroup_parent: String,
    }

    /// `PodSandboxConfig`.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct PodConfig {
        /// Which pod.
        #[prost(message, optional, tag = "1")]
        pub metadata: Option<Metadata>,
        /// Its host name.
        #[prost(string, tag = "2")]
        pub hostname: String,
        /// Ports of the host.
        #[prost(message, repeated, tag = "5")]
        pub port_mappings: Vec<PortMapping>,
        /// Annotations, e.g. `kubernetes.io/ingress-bandwidth`.
        #[prost(map = "string, string", tag = "7")]
        pub annotations: HashMap<String, String>,
        /// What is Linux'.
        #[prost(message, optional, tag = "8")]
        pub linux: Option<Linux>,
    }

    /// `RunPodSandboxRequest`.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct RunRequest {
        /// The pod.
        #[prost(message, optional, tag = "1")]
        pub config: Option<PodConfig>,
    }

    /// `RunPodSandboxResponse`, and the requests `StopPodSandbox`, `RemovePodSandbox`: the id of a sandbox.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct SandboxId {
        /// The id that the runtime gave.
        #[prost(string, tag = "1")]
        pub id: String,
    }

    /// The responses that say nothing, and requests without fields.
    #[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
    pub struct Empty {}

    /// `PodSandboxStatusRequest`.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct PodStatusRequest {
        /// Which sandbox.
        #[prost(string, tag = "1")]
        pub id: String,
        /// Whether `info` is wanted.
        #[prost(bool, tag = "2")]
        pub verbose: bool,
    }

    /// `PodSandboxStatusResponse`.
    #[derive(Clone, PartialEq, prost::Message)]
    pub struct PodStatusResponse {
        /// The status.
        #[prost(message, optional, tag = "1")]
        pub status: Option<PodStatus>,
        /// What the runtime adds; containerd: JSON at `info`.
        #[prost(map = "string, string", tag = "2")]
        pub info: HashMap<String, String>,
    }

    /// `PodSandboxStatus`.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct PodStatus {
        /// 0 is ready.
        #[prost(int32, tag = "3")]
        pub state: i32,
        /// Addresses.
        #[prost(message, optional, tag = "5")]
        pub network: Option<PodNetwork>,
    }

    /// `PodSandboxNetworkStatus`.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct PodNetwork {
        /// The primary address.
        #[prost(string, tag = "1")]
        pub ip: String,
        /// The others.
        #[prost(message, repeated, tag = "2")]
        pub additional: Vec<PodIp>,
    }

    /// `PodIP`.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct PodIp {
        /// The address.
        #[prost(string, tag = "1")]
        pub ip: String,
    }

    /// `ListPodSandboxResponse`.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct PodList {
        /// All of them, each with its id.
        #[prost(message, repeated, tag = "1")]
        pub items: Vec<SandboxId>,
    }

    /// `StatusResponse`.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct StatusResponse {
        /// The status.
        #[prost(message, optional, tag = "1")]
        pub status: Option<RuntimeStatus>,
    }

    /// `RuntimeStatus`.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct RuntimeStatus {
        /// `RuntimeReady`, `NetworkReady`.
        #[prost(message, repeated, tag = "1")]
        pub conditions: Vec<Condition>,
    }

    /// `RuntimeCondition`.
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub struct Condition {
        /// Its name.
        #[prost(string, tag = "1")]
        pub kind: String,
        /// Whether it holds.
        #[prost(bool, tag = "2")]
        pub holds: bool,
        /// Why not, in a word.
        #[prost(string, tag = "3")]
        pub reason: String,
        /// Why not.
        #[prost(string, tag = "4")]
        pub message: String,
    }
}

/// One connection.
#[derive(Debug)]
pub struct Cri {
    runtime: Runtime,
    channel: Channel,
}

impl Cri {
    /// Connects to a runtime's socket; the first call waits for it.
    ///
    /// # Panics
    /// When that is impossible.
    #[must_use]
    #[track_caller]
    pub fn new(socket: &Path) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a tokio runtime");
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display())).expect("a socket's address");
        let channel = runtime.block_on(async { endpoint.timeout(PATIENCE).connect_lazy() });
        Self { runtime, channel }
    }

    /// Calls a method of `runtime.v1.RuntimeService`.
    ///
    /// # Errors
    /// What the runtime says.
    pub fn call<Q, A>(&self, method: &str, request: Q) -> Result<A, Status>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        let path = format!("/runtime.v1.RuntimeService/{method}");
        let path = PathAndQuery::try_from(path).expect("a method's name makes a path");
        self.runtime.block_on(async {
            let mut client = Grpc::new(self.channel.clone());
            client.ready().await.map_err(|error| Status::unavailable(format!("{error:?}")))?;
            let answer = client.unary(Request::new(request), path, ProstCodec::<Q, A>::default()).await?;
            Ok(answer.into_inner())
        })
    }
}
