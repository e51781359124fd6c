//! As much of D-Bus as it takes to call a method with texts and to read a short answer (dbus.freedesktop.org's
//! specification, "Message Protocol"). One connection, one call at a time, no thread. It knows no service.

use std::io::{self, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

/// Where the system's bus listens unless the environment says otherwise.
const SYSTEM: &str = "unix:path=/var/run/dbus/system_bus_socket";
/// How long a service may think: firewalld, while it reloads, takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most that an answer may hold, bytes; the bus allows 128 MiB.
const MOST: usize = 1 << 20;

/// Kinds of messages.
const CALL: u8 = 1;
const RETURN: u8 = 2;
const ERROR: u8 = 3;

/// Fields of a header.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// What a method answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing that we read.
    Nothing,
    Text(String),
    Yes(bool),
    /// It refused: the name of the error, and its text.
    Error {
        name: String,
        text: String,
    },
}

/// A connection to a bus.
#[derive(Debug)]
pub(super) struct Bus {
    stream: UnixStream,
    serial: u32,
}

impl Bus {
    /// The system's bus, as `DBUS_SYSTEM_BUS_ADDRESS` has it or where it usually is.
    pub(super) fn system() -> io::Result<Self> {
        let address = std::env::var("DBUS_SYSTEM_BUS_ADDRESS").unwrap_or_else(|_| SYSTEM.into());
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, format!("no address of a socket in {address:?}"));
        for one in address.split(';') {
            match connect(one).and_then(Self::open) {
                Ok(bus) => return Ok(bus),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Says who we are, which the socket proves, and hello.
    fn open(stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut bus = Self { stream, serial: 0 };
        // Our own entry there has our user.
        let user = std::fs::metadata("/proc/thread-self")?.uid();
        let digits: String = user.to_string().bytes().map(|byte| format!("{byte:02x}")).collect();
        bus.stream.write_all(format!("\0AUTH EXTERNAL {digits}\r\n").as_bytes())?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") && line.len() < 1024 {
            let mut byte = [0];
            bus.stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        if !line.starts_with(b"OK ") {
            let said = String::from_utf8_lossy(&line).trim().to_owned();
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("the bus refused us: {said}")));
        }
        bus.stream.write_all(b"BEGIN\r\n")?;
        bus.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", &[])?;
        Ok(bus)
    }

    /// Calls a method whose arguments are texts, and waits for the answer.
    pub(super) fn call(
        &mut self,
        destination: &str,
        path: &str,
        interface: &str,
        method: &str,
        arguments: &[&str],
    ) -> io::Result<Said> {
        self.serial += 1;
        let mut body = Vec::new();
        for argument in arguments {
            text(&mut body, argument);
        }
        let mut fields = Vec::new();
        field(&mut fields, PATH, "o", path);
        field(&mut fields, DESTINATION, "s", destination);
        field(&mut fields, INTERFACE, "s", interface);
        field(&mut fields, MEMBER, "s", method);
        if !arguments.is_empty() {
            field(&mut fields, SIGNATURE, "g", &"s".repeat(arguments.len()));
        }
        let mut message = vec![b'l', CALL, 0, 1];
        for number in [body.len(), self.serial as usize, fields.len()] {
            message.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
        }
        message.extend_from_slice(&fields);
        message.resize(message.len().next_multiple_of(8), 0);
        message.extend_from_slice(&body);
        self.stream.write_all(&message)?;
        loop {
            if let Some(said) = self.receive()? {
                return Ok(said);
            }
        }
    }

    /// Reads one message; `None` when it is not the answer to the last call.
    fn receive(&mut self) -> io::Result<Option<Said>> {
        let mut head = [0; 16];
        self.stream.read_exact(&mut head)?;
        let little = head[0] == b'l';
        let number = |at: usize| read_number(&head, at, little).unwrap_or_default() as usize;
        let (body, fields) = (number(4), number(12));
        let whole = fields.next_multiple_of(8).saturating_add(body);
        if whole > MOST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too long"));
        }
        let mut rest = vec![0; whole];
        self.stream.read_exact(&mut rest)?;
        let (fields, body) = rest.split_at(fields.next_multiple_of(8).min(rest.len()));
        let fields = read_fields(fields, number(12), little);
        let find = |code: u8| fields.iter().find(|(found, _)| *found == code).map(|(_, value)| value);
        if find(REPLY_SERIAL) != Some(&Value::Number(self.serial)) {
            return Ok(None);
        }
        let signature = match find(SIGNATURE) {
            Some(Value::Text(text)) => text.as_str(),
            Some(Value::Number(_)) | None => "",
        };
        let first = || read_text(body, 0, little).map(|(text, _)| text).unwrap_or_default();
        Ok(match head[1] {
            RETURN if signature == "s" => Some(Said::Text(first())),
            RETURN if signature == "b" => Some(Said::Yes(read_number(body, 0, little) == Some(1))),
            RETURN => Some(Said::Nothing),
            ERROR => {
                let name = match find(ERROR_NAME) {
                    Some(Value::Text(name)) => name.clone(),
                    Some(Value::Number(_)) | None => String::new(),
                };
                let text = if signature.starts_with('s') { first() } else { String::new() };
                let text = if text.is_empty() { name.clone() } else { text };
                Some(Said::Error { name, text })
            }
            _ => None,
        })
    }
}

/// One address of a bus: `unix:path=…` or `unix:abstract=…`, perhaps with other keys.
fn connect(address: &str) -> io::Result<UnixStream> {
    let unknown = || io::Error::new(io::ErrorKind::InvalidInput, format!("no address of a socket: {address:?}"));
    let keys = address.strip_prefix("unix:").ok_or_else(unknown)?;
    for (key, value) in keys.split(',').filter_map(|pair| pair.split_once('=')) {
        match key {
            "path" => return UnixStream::connect(value),
            "abstract" => return UnixStream::connect_addr(&SocketAddr::from_abstract_name(value)?),
            _ => {}
        }
    }
    Err(unknown())
}

/// A value of a header's field, as far as we read them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Number(u32),
}

fn text(into: &mut Vec<u8>, text: &str) {
    into.resize(into.len().next_multiple_of(4), 0);
    into.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    into.extend_from_slice(text.as_bytes());
    into.push(0);
}

/// A field: its code, and a variant that holds a text, an object's path or a signature.
fn field(into: &mut Vec<u8>, code: u8, signature: &str, value: &str) {
    into.resize(into.len().next_multiple_of(8), 0);
    into.push(code);
    short(into, signature);
    if signature == "g" { short(into, value) } else { text(into, value) }
}

/// A signature: a length of one byte.
fn short(into: &mut Vec<u8>, text: &str) {
    into.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    into.extend_from_slice(text.as_bytes());
    into.push(0);
}

fn read_number(from: &[u8], at: usize, little: bool) -> Option<u32> {
    let bytes: [u8; 4] = from.get(at..at + 4)?.try_into().ok()?;
    Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
}

/// A text and where it ends.
fn read_text(from: &[u8], at: usize, little: bool) -> Option<(String, usize)> {
    let at = at.next_multiple_of(4);
    let end = at + 4 + read_number(from, at, little)? as usize;
    Some((String::from_utf8_lossy(from.get(at + 4..end)?).into_owned(), end + 1))
}

/// The fields up to the first that we do not understand: none of the standard ones.
fn read_fields(from: &[u8], length: usize, little: bool) -> Vec<(u8, Value)> {
    let (mut fields, mut at) = (Vec::new(), 0_usize);
    let from = from.get(..length).unwrap_or(from);
    loop {
        at = at.next_multiple_of(8);
        let Some((code, value, end)) = read_field(from, at, little) else { return fields };
        fields.push((code, value));
        at = end;
    }
}

fn read_field(from: &[u8], at: usize, little: bool) -> Option<(u8, Value, usize)> {
    // The code, then the signature of the value: one character in all standard fields.
    let [code, 1, kind, 0] = *from.get(at..at + 4)? else { return None };
    match kind {
        b's' | b'o' => read_text(from, at + 4, little).map(|(text, end)| (code, Value::Text(text), end)),
        b'u' => Some((code, Value::Number(read_number(from, at + 4, little)?), at + 8)),
        b'g' => {
            let end = at + 5 + usize::from(*from.get(at + 4)?);
            let text = String::from_utf8_lossy(from.get(at + 5..end)?).into_owned();
            Some((code, Value::Text(text), end + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header's fields as another program writes them, with one of a kind that we do not read at the end.
    #[test]
    fn fields_are_written_and_read_back() {
        let mut fields = Vec::new();
        field(&mut fields, PATH, "o", "/org/example");
        field(&mut fields, SIGNATURE, "g", "ss");
        field(&mut fields, MEMBER, "s", "addSource");
        fields.resize(fields.len().next_multiple_of(8), 0);
        fields.extend_from_slice(&[REPLY_SERIAL, 1, b'u', 0, 7, 0, 0, 0]);
        fields.extend_from_slice(&[9, 1, b'u', 0, 1, 0, 0, 0, 10, 1, b'x', 0, 0, 0, 0, 0]);
        let text = |text: &str| Value::Text(text.into());
        let wanted = [
            (PATH, text("/org/example")),
            (SIGNATURE, text("ss")),
            (MEMBER, text("addSource")),
            (REPLY_SERIAL, Value::Number(7)),
            (9, Value::Number(1)),
        ];
        assert_eq!(read_fields(&fields, fields.len(), true), wanted);
        for length in 0..fields.len() {
            // Cut anywhere it gives what is whole, and never panics.
            let read = read_fields(&fields, length, true);
            assert_eq!(read, wanted[..read.len()], "{length}");
        }
    }

    #[test]
    fn texts_are_read_in_either_order_of_bytes() {
        let mut body = Vec::new();
        text(&mut body, "a");
        text(&mut body, "zone");
        assert_eq!(read_text(&body, 0, true), Some(("a".into(), 6)));
        assert_eq!(read_text(&body, 6, true), Some(("zone".into(), 17)));
        assert_eq!(read_text(&[0, 0, 0, 1, b'b', 0], 0, false), Some(("b".into(), 6)));
        assert_eq!(read_text(&[0xff, 0xff, 0xff, 0xff, b'b', 0], 0, true), None);
    }

    #[test]
    fn an_address_that_is_no_socket_is_refused() {
        for address in ["", "tcp:host=localhost,port=1", "unix:tmpdir=/tmp", "unix:path"] {
            assert_eq!(connect(address).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{address}");
        }
        assert_eq!(connect("unix:guid=1,path=/nonexistent").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
