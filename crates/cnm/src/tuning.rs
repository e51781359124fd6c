//! Tuning: what a person asks of a link that somebody else has made, and the note of what it was before. The note is the
//! reference's file, byte for byte but for one more key that it ignores.

use cni::Error;
use cni::json::{Json, Node};

use crate::{Change, Link, LinkName, Mac, Owner, OwnerTag};

/// The key of the owner's tag in a note.
const TAG: &str = "cnm";
/// The longest name of a file (`NAME_MAX`), bytes.
const LONGEST_NAME: usize = 255;

/// What a link and its namespace shall be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// Whose; the link is its interface in the sandbox.
    pub owner: Owner,
    /// Variables of the sandbox: path below `/proc/sys`, and value.
    pub variables: Vec<(String, String)>,
    /// What the link gets; what it had is noted.
    pub attributes: Attributes,
    /// The folder of the notes.
    pub folder: String,
}

/// Attributes of a link, as far as somebody cares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Hardware address.
    pub mac: Option<Mac>,
    /// Bytes.
    pub mtu: Option<u32>,
    /// `IFF_PROMISC`.
    pub promisc: Option<bool>,
    /// `IFF_ALLMULTI`.
    pub allmulti: Option<bool>,
    /// Length of the transmit queue, packets.
    pub queue: Option<u32>,
}

impl Attributes {
    /// Whether nobody cares about anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What `link` has of these.
    #[must_use]
    pub fn of(&self, link: &Link) -> Self {
        Self {
            mac: self.mac.and(link.mac),
            mtu: self.mtu.map(|_| link.mtu),
            promisc: self.promisc.map(|_| link.promisc),
            allmulti: self.allmulti.map(|_| link.allmulti),
            queue: self.queue.map(|_| link.queue),
        }
    }

    /// These, and of `other` what is missing in them.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            mac: self.mac.or(other.mac),
            mtu: self.mtu.or(other.mtu),
            promisc: self.promisc.or(other.promisc),
            allmulti: self.allmulti.or(other.allmulti),
            queue: self.queue.or(other.queue),
        }
    }

    /// What must change at `link` so that it has all of these, in the reference's order.
    #[must_use]
    pub fn changes(&self, link: &Link) -> Vec<Change> {
        let name = || LinkName::Index(link.index);
        let mut changes = Vec::new();
        changes.extend(self.mtu.filter(|mtu| *mtu != link.mtu).map(|mtu| Change::Mtu(name(), mtu)));
        changes.extend(self.mac.filter(|mac| Some(*mac) != link.mac).map(|mac| Change::Mac(name(), mac)));
        changes.extend(self.promisc.filter(|on| *on != link.promisc).map(|on| Change::Promisc(name(), on)));
        changes.extend(self.allmulti.filter(|on| *on != link.allmulti).map(|on| Change::AllMulticast(name(), on)));
        changes.extend(self.queue.filter(|size| *size != link.queue).map(|size| Change::QueueLength(name(), size)));
        changes
    }
}

/// What a link was like before it was tuned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Originals {
    /// Whose attachment it is; `None` in a note of the reference plugins.
    pub tag: Option<OwnerTag>,
    /// What it had.
    pub attributes: Attributes,
}

impl Originals {
    /// The name of an attachment's file: the reference's. One that would be too long is a hash.
    #[must_use]
    pub fn file(owner: &Owner) -> String {
        let name = format!("{}_{}.json", owner.container, owner.ifname);
        if name.len() <= LONGEST_NAME { name } else { format!("{}.json", owner.tag()) }
    }

    /// The text of a note.
    #[must_use]
    pub fn print(&self) -> String {
        let Attributes { mac, mtu, promisc, allmulti, queue } = self.attributes;
        let mut lines = Vec::new();
        lines.extend(mac.map(|mac| format!(" \"mac\": \"{mac}\"")));
        lines.extend(promisc.map(|on| format!(" \"promisc\": {on}")));
        lines.extend(mtu.map(|mtu| format!(" \"mtu\": {mtu}")));
        lines.extend(allmulti.map(|on| format!(" \"allmulti\": {on}")));
        lines.extend(queue.map(|size| format!(" \"txQLen\": {size}")));
        lines.extend(self.tag.as_ref().map(|tag| format!(" \"{TAG}\": \"{tag}\"")));
        format!("{{\n{}\n}}", lines.join(",\n"))
    }

    /// Reads a note.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let json = Json::parse(text.as_bytes()).map_err(|error| Error::config(error.to_string()))?;
        let note = Node::root(&json);
        let number = |key| note.number::<u32>(key, 0..=u32::MAX);
        let attributes = Attributes {
            mac: note.text("mac")?.and_then(|text| text.parse().ok()),
            mtu: number("mtu")?.filter(|mtu| *mtu != 0),
            promisc: note.optional_flag("promisc")?,
            allmulti: note.optional_flag("allmulti")?,
            queue: number("txQLen")?,
        };
        Ok(Self { tag: note.text(TAG)?.and_then(OwnerTag::read), attributes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_the_reference_s() {
        let attributes = Attributes {
            mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            mtu: Some(1500),
            promisc: Some(false),
            allmulti: Some(true),
            queue: Some(1000),
        };
        let text = "{\n \"mac\": \"02:00:00:00:00:01\",\n \"promisc\": false,\n \"mtu\": 1500,\n \"allmulti\": true,\n \"txQLen\": 1000\n}";
        let note = Originals { tag: None, attributes };
        assert_eq!(note.print(), text);
        assert_eq!(Originals::parse(text), Ok(note));
    }

    #[test]
    fn a_note_says_whose_it_is() {
        let owner = Owner::new("web", "c0ffee", "eth0");
        let note = Originals { tag: Some(owner.tag()), ..Originals::default() };
        assert_eq!(Originals::parse(&note.print()), Ok(note));
        for broken in ["", "[]", "{", "{\"mtu\": \"x\"}"] {
            assert!(Originals::parse(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn files_have_the_reference_s_name_as_long_as_the_kernel_takes_it() {
        assert_eq!(Originals::file(&Owner::new("web", "c0ffee", "eth0")), "c0ffee_eth0.json");
        let long = Originals::file(&Owner::new("web", "x".repeat(255), "eth0"));
        assert_eq!(long.len(), 38);
        assert_ne!(long, Originals::file(&Owner::new("web", "x".repeat(255), "eth1")));
    }
}
