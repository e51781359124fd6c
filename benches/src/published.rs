//! Published ports when many are published already: what ADD and DEL of one more cost, and what a new connection to it
//! costs. Each port belongs to a container of its own.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::cases::{Places, Row};
use crate::contender::{Contender, Endpoint, Shape, Verb, Who};
use crate::operation::Operation;
use crate::statistics::Sample;
use crate::world::World;

/// How many are published, the measured one included.
pub const PRESENT: [usize; 3] = [1, 1_000, 10_000];
/// The measured endpoint's port of the host; the others count up from here.
const PORT: usize = 20_000;
/// Its sandbox, and the one of the client beyond the host.
const SERVER: usize = 0;
const CLIENT: usize = 1;
const HOST: &str = "198.51.100.1";
/// New connections for each contender.
const CONNECTIONS: usize = 300;
const ROUNDS: usize = 20;
const FEWEST: usize = 3;
/// Rounds end after this time, but not before [`FEWEST`].
const LONGEST: Duration = Duration::from_secs(30);

/// One contender with a backend.
struct Party {
    contender: Contender,
    world: World,
    /// What `bridge` has made for the measured endpoint.
    previous: Value,
    server: TcpListener,
    times: [Vec<Duration>; 2],
}

/// With `present` ports published; a case for each backend of ours.
///
/// # Errors
/// At the first operation or connection that fails.
pub fn run(places: &Places, present: usize) -> Result<Vec<Row>> {
    let mut parties = Vec::new();
    for backend in ["nftables", "iptables"] {
        let mut contenders = places.contenders(Shape { backend, ..Shape::plain() });
        // The reference has one backend, and is measured once.
        contenders.retain(|one| one.who == Who::Ours || one.who == Who::Reference && backend == "iptables");
        for contender in contenders {
            let who = contender.who.as_str();
            let party = Party::new(contender).and_then(|party| party.fill(present - 1).map(|()| party));
            parties.push(party.with_context(|| format!("{who}, {backend}"))?);
        }
    }
    let begin = Instant::now();
    for round in 1..=ROUNDS {
        for party in &mut parties {
            party.round(true)?;
        }
        if begin.elapsed() > LONGEST && round >= FEWEST {
            break;
        }
    }
    let mut measured = Vec::new();
    for party in parties {
        let connections = party.connections()?;
        let [add, del] = party.times;
        let samples = [(Verb::Add.as_str(), add), (Verb::Del.as_str(), del), ("connect", connections)];
        let samples = samples.map(|(what, times)| (what, Sample::sequential(times)));
        measured.push((party.contender, samples));
    }
    Ok(rows(present, &measured))
}

/// Ours with each backend, beside the reference.
fn rows(present: usize, measured: &[(Contender, [(&'static str, Sample); 3])]) -> Vec<Row> {
    let mut rows = Vec::new();
    for backend in ["nftables", "iptables"] {
        let case = format!("{present} published, {backend}");
        for (contender, samples) in measured {
            if contender.who == Who::Reference || contender.shape.backend == backend {
                let row = |(what, sample): &(&'static str, Sample)| Row {
                    case: case.clone(),
                    what,
                    who: contender.who,
                    sample: sample.clone(),
                };
                rows.extend(samples.iter().map(row));
            }
        }
    }
    rows
}

impl Party {
    /// A world with the endpoint, attached to a bridge and listening, and a client beyond the host.
    fn new(contender: Contender) -> Result<Self> {
        let world = World::new(2)?;
        contender.prepare(&world)?;
        let endpoint = Endpoint { number: 0, sandbox: world.sandboxes()[SERVER].clone() };
        let attach = contender.operation(Verb::Add, &endpoint, None);
        let result = world.run(move || attach.run())??.output;
        let previous = serde_json::from_str(&result).context("the bridge's result")?;
        for line in [
            "ip link add uplink type veth peer name eth0 netns sandbox1",
            "ip address add 198.51.100.1/24 dev uplink",
            "ip link set uplink up",
            "ip -n sandbox1 address add 198.51.100.2/24 dev eth0",
            "ip -n sandbox1 link set eth0 up",
        ] {
            world.command(line)?;
        }
        let server = world.inside(SERVER, || TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)))??;
        let mut party = Self { contender, world, previous, server, times: Default::default() };
        // What is shared by all is there after this.
        party.round(false)?;
        Ok(party)
    }

    /// portmap alone, for the container `number` of `address`.
    fn operation(&self, verb: Verb, number: usize, address: Option<Ipv4Addr>) -> Operation {
        let endpoint = Endpoint { number, sandbox: self.world.sandboxes()[SERVER].clone() };
        let mut previous = self.previous.clone();
        if let Some(address) = address {
            previous["ips"][0]["address"] = json!(format!("{address}/16"));
        }
        let mut configuration = json!({
            "cniVersion": "1.0.0",
            "name": "bench",
            "type": "portmap",
            "capabilities": {"portMappings": true},
            "runtimeConfig": {"portMappings": [
                {"hostPort": PORT + number, "containerPort": 80, "protocol": "tcp"},
            ]},
        });
        if self.contender.who == Who::Ours {
            configuration["backend"] = json!(self.contender.shape.backend);
        }
        let program = self.contender.place.join("portmap");
        let invocation = self.contender.invocation(program, &self.contender.place, verb, &endpoint);
        Operation { steps: vec![(invocation, Some(configuration))], previous: Some(previous), threaded: false }
    }

    /// Publishes `count` ports of other containers.
    fn fill(&self, count: usize) -> Result<()> {
        if self.contender.shape.backend == "iptables" {
            // The reference would need an hour for them; these are the rules that it would have made.
            let rules = iptables_rules(count);
            return self.world.run(move || restore(&rules))?;
        }
        let additions: Vec<Operation> =
            (1..=count).map(|number| self.operation(Verb::Add, number, Some(address_of(number)))).collect();
        self.world.run(move || additions.iter().try_for_each(|addition| addition.run().map(drop)))?
    }

    /// One ADD and one DEL.
    fn round(&mut self, record: bool) -> Result<()> {
        for (verb, times) in [Verb::Add, Verb::Del].into_iter().zip(0..) {
            let operation = self.operation(verb, 0, None);
            let elapsed = self.world.run(move || operation.run())??.elapsed;
            if record {
                self.times[times].push(elapsed);
            }
        }
        Ok(())
    }

    /// Publishes the measured port, which then is the last in every list, and connects to it from beyond the host.
    fn connections(&self) -> Result<Vec<Duration>> {
        let operation = self.operation(Verb::Add, 0, None);
        self.world.run(move || operation.run())??;
        let server = TcpListener::from(self.server.as_fd().try_clone_to_owned()?);
        let accepting: JoinHandle<Result<()>> = std::thread::spawn(move || {
            for _ in 0..=CONNECTIONS {
                server.accept().context("accept")?;
            }
            Ok(())
        });
        let target = SocketAddr::new(HOST.parse()?, u16::try_from(PORT)?);
        let times = self.world.inside(CLIENT, move || {
            let connect = |_| {
                let begin = Instant::now();
                let stream = TcpStream::connect_timeout(&target, Duration::from_secs(5));
                let elapsed = begin.elapsed();
                stream.with_context(|| format!("connect to {target}")).map(|_| elapsed)
            };
            (0..=CONNECTIONS).map(connect).collect::<Result<Vec<_>>>()
        })??;
        ensure!(accepting.join().is_ok_and(|done| done.is_ok()), "the server failed");
        // The first one resolves neighbours.
        Ok(times[1..].to_vec())
    }
}

/// The address of another container.
fn address_of(number: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a58_1000 + u32::try_from(number).unwrap_or_default())
}

/// What the reference's portmap makes for each of `count` containers.
fn iptables_rules(count: usize) -> String {
    let (mut chains, mut rules) = (String::from("*nat\n"), String::new());
    for number in 1..=count {
        let (chain, port, address) = (format!("CNI-DN-{number:021x}"), PORT + number, address_of(number));
        // Writing to a String cannot fail.
        let _ = writeln!(chains, ":{chain} - [0:0]");
        let _ = write!(
            rules,
            "-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment \"dnat name: \\\"bench\\\" id: \\\"{number:064x}\\\"\" \
             -m multiport --dports {port} -j {chain}\n\
             -A {chain} -s 10.88.0.0/16 -p tcp -m tcp --dport {port} -j CNI-HOSTPORT-SETMARK\n\
             -A {chain} -s 127.0.0.1/32 -p tcp -m tcp --dport {port} -j CNI-HOSTPORT-SETMARK\n\
             -A {chain} -p tcp -m tcp --dport {port} -j DNAT --to-destination {address}:80\n",
        );
    }
    format!("{chains}{rules}COMMIT\n")
}

#[expect(clippy::disallowed_methods, reason = "setting up is done by iptables-restore")]
fn restore(rules: &str) -> Result<()> {
    let mut command = Command::new("iptables-restore");
    command.arg("--noflush").stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("start iptables-restore")?;
    child.stdin.take().context("no pipe")?.write_all(rules.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("iptables-restore: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
